"""Ctrl-C works in what the tests start, even where they run behind `nohup ... &`, whose shell has SIGINT ignored."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
