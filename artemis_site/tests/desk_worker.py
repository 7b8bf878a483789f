"""The desk's other end: runs what comes in on the standard input, within the platform's settings."""

import base64
import pickle
import sys

import django
from django.db import connections


def main() -> None:
    django.setup()
    for line in sys.stdin.buffer:
        function, arguments, named = pickle.loads(base64.b64decode(line))
        try:
            answer = (None, function(*arguments, **named))
        except Exception as error:
            answer = (repr(error), None)
            connections.close_all()  # one that broke must not be asked again
        sys.stdout.buffer.write(base64.b64encode(pickle.dumps(answer)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
