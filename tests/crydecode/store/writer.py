"""Appends readings until it is killed, and says of each that it was acknowledged: a process."""

from __future__ import annotations

import sys
from itertools import count

from crydecode import store
from cryutils.inference.readings import Reading

if __name__ == "__main__":
    with store.open(sys.argv[1]) as opened:
        log = opened.infant("Mia")
        session = log.begin("writer")
        for i in count():
            log.append(session, [Reading(1.8e9 + i + k / 4, "hungry") for k in range(4)])
            print(i, flush=True)
