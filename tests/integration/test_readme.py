"""README's way to add a page: its row, its template and its statement, taken from the text, make a page that is served."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from runner import BUILD, REPO, Run, directory_for_run


def block(language):
    """README's one block of code in that language, and the file that the line before names."""
    name, text = re.search(rf"^`(\S+)`:\n\n```{language}\n(.*?)^```$", (REPO / "README.md").read_text(encoding="utf-8"), re.M | re.S).groups()
    return name, text


def build_renderer(routes, output):
    """The renderer under test with another routes.c: one file compiled and the program linked as the build does it."""
    build = Path(BUILD)
    command = next(c for c in json.loads((build / "compile_commands.json").read_text()) if c["file"].endswith("renderer/routes.c"))
    compile_it = [word for word in shlex.split(command["command"]) if not word.endswith("routes.c")]
    compile_it[compile_it.index("-o") + 1] = f"{routes}.o"
    subprocess.run([*compile_it, f"-I{REPO}/renderer", str(routes)], cwd=command["directory"], check=True)

    commands = subprocess.run(["ninja", "-t", "commands", "filmyfly-renderer"], cwd=build, check=True, stdout=subprocess.PIPE, text=True)
    link = commands.stdout.splitlines()[-1].removeprefix(": && ").removesuffix(" && :")
    words = shlex.split(link)
    words[words.index("-o") + 1] = str(output)
    first_library = next(i for i, word in enumerate(words) if word.endswith(".a"))
    subprocess.run([*words[:first_library], f"{routes}.o", *words[first_library:]], cwd=build, check=True)


def test_a_page_is_a_row_a_template_and_a_statement():
    with directory_for_run() as directory:
        bin_directory, share = Path(directory, "build/bin"), Path(directory, "build/share/filmyfly")
        bin_directory.mkdir(parents=True)
        shutil.copytree(f"{BUILD}/share/filmyfly", share)  # symbolic links are followed
        for name in ("gateway", "cacher", "dbproxy", "listen"):
            os.symlink(f"{BUILD}/bin/filmyfly-{name}", bin_directory / f"filmyfly-{name}")

        name, row = block("c")
        source = (REPO / name).read_text(encoding="utf-8")
        routes = Path(directory, "routes.c")
        routes.write_text(source.replace('    {.pattern = "/readyz"', row + '    {.pattern = "/readyz"'), encoding="utf-8")
        build_renderer(routes, bin_directory / "filmyfly-renderer")
        for language, place in (("mustache", "views"), ("sql", "queries")):
            name, text = block(language)
            (share / place / Path(name).name).write_text(text, encoding="utf-8")

        run = Run(f"{directory}/var")
        run.env.update(FILMYFLY_BUILD_DIR=f"{directory}/build", FILMYFLY_SHARE_DIR=str(share))
        try:
            run.start()
            status, page = run.get("/longest")
            assert status == 200
            assert "The longest movies" in page and page.count('class="card"') == 24
        finally:
            run.stop()
