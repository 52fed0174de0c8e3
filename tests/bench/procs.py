"""CPU time and memory of process trees, from /proc."""
import os


def _stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        text = f.read()
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def tree(root):
    """The pids of a process and all its descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents[int(name)] = _stat(name)[0]
            except OSError:
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [pid for pid in found if pid in parents]


def cpu(root):
    """Seconds of user and system time of a tree, with what its members have reaped. The threads' run times are in nanoseconds; the ticks of
    /proc/PID/stat are cut off to 10 ms, so the larger of the two counts."""
    total = 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    pids = tree(root)
    if not pids:
        raise SystemExit(f"no process {root}: is the server up?")
    for pid in pids:
        try:
            _, own, reaped = _stat(pid)
            ns = 0
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
                    ns += int(f.read().split()[0])
            total += max(own / ticks, ns / 1e9) + reaped / ticks
        except OSError:
            continue
    return total


def anonymous_memory(root):
    """Bytes of anonymous memory of a tree."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                for line in f:
                    if line.startswith("Anonymous:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total
