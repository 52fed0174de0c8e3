/*
 * `filmyfly-renderer --render VIEW.mustache --data DATA.json [--partials DIR]`: prints one rendered template, for those
 * who design views.
 */
#ifndef FILMYFLY_RENDER_COMMAND_H
#define FILMYFLY_RENDER_COMMAND_H

/*
 * data_path: a file of JSON, "-" for stdin, NULL for {}. partials_dir: NULL for the view's own folder.
 * Returns the exit status: 0, or 1 after one line on stderr.
 */
int render_command(const char *view_path, const char *data_path, const char *partials_dir);

#endif
