"""Let a signal end a worker of granian that has only begun to start.

granian forks its workers with the handlers of its main process in place, which do no more
than note the signal, in vain there: the main process would wait for the worker indefinitely.
The worker sets its own handlers once it has imported the application, a second later.
"""

import multiprocessing
import signal

if multiprocessing.current_process().name == "granian-worker":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
