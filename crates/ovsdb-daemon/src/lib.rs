//! Being an Open vSwitch daemon: logging, pidfile, detaching and the control socket.
