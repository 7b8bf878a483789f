"""Tests of the engines' room: real processes, real sockets, loopback only."""
