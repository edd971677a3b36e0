"""Runs a program in a pseudo-terminal of 80 x 24, waits until it shows something, makes the
terminal smaller, ends the program as told, and looks whether the terminal is as it was.

    terminal.py HOW TEXT PROGRAM [ARGUMENT]...

HOW is `signal` (SIGTERM) or the keys to press, in hexadecimal. Prints what was shown.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

how, text, program = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
signal.alarm(60)  # ends this, and with it the terminal and the program


def resize(columns, rows):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


master, slave = pty.openpty()
resize(80, 24)
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.execvp(program[0], program)

shown = b""


def read():
    global shown
    if select.select([master], [], [], 0.05)[0]:
        shown += os.read(master, 65536)


while text not in shown:
    read()
assert termios.tcgetattr(slave) != before, "keys are read as they are pressed"
seen = len(shown)
resize(40, 10)
while b"\x1b[2J" not in shown[seen:]:
    read()
if how == "signal":
    os.kill(child, signal.SIGTERM)
else:
    os.write(master, bytes.fromhex(how))
status = None
while status is None:
    read()
    ended, code = os.waitpid(child, os.WNOHANG)
    status = code if ended else None
read()
sys.stdout.buffer.write(shown)
assert status == 0, status
assert termios.tcgetattr(slave) == before, "the terminal reads as before"
assert shown.startswith(b"\x1b[?1049h"), "the other screen"
assert shown.endswith(b"\x1b[?25h\x1b[?1049l"), "and back"
