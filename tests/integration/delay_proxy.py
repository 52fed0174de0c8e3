"""A TCP proxy that delays: each direction by half of the round trip, in order, without a limit of bandwidth.

It stands for a distant database. Counts `trips`: how often the client spoke after having heard (or as the first), which
is how many delays it waited for.
"""

import asyncio
import sys
import threading


class DelayProxy:
    """target: (host, port) or the path of a Unix socket. Runs in a thread of its own between start() and stop()."""

    def __init__(self, target, round_trip=0.05):
        self.target, self.delay = target, round_trip / 2
        self.port, self.trips, self.connections = None, 0, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def start(self):
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            if isinstance(self.target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self.target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        heard = [True]  # the client has heard something since it last spoke
        await asyncio.gather(
            self._carry(reader, far_writer, heard, True),
            self._carry(far_reader, writer, heard, False),
            return_exceptions=True,
        )

    async def _carry(self, reader, writer, heard, outward):
        queue = asyncio.Queue()
        late = asyncio.ensure_future(self._write_late(queue, writer, heard, outward))
        try:
            while data := await reader.read(65536):
                if outward and heard[0]:
                    heard[0] = False
                    self.trips += 1
                queue.put_nowait((self._loop.time() + self.delay, data))
        except OSError:
            pass
        queue.put_nowait((self._loop.time() + self.delay, b""))
        await late

    async def _write_late(self, queue, writer, heard, outward):
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(due - self._loop.time())
                if not data:
                    break
                writer.write(data)
                heard[0] = heard[0] or not outward
        except OSError:
            pass
        writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: delay_proxy.py HOST:PORT MILLISECONDS")
    host, port = sys.argv[1].rsplit(":", 1)
    proxy = DelayProxy((host, int(port)), int(sys.argv[2]) / 1000).start()
    print(f"127.0.0.1:{proxy.port}", flush=True)
    threading.Event().wait()
