"""Eight workers, each of which waits on a queue of its own for what the dispatcher gives it."""
import itertools
import queue
import threading

TRUTH = {"held": False, "leaks": False}

numbers = itertools.count(1)


class Worker(threading.Thread):
    def __init__(self, number):
        super().__init__(name=f"worker {number}", daemon=True)
        self.jobs = queue.Queue()
        self.done = 0

    def run(self):
        while True:
            job = self.jobs.get()
            self.done += len(job["text"])
            del job
            self.jobs.task_done()


def setup():
    global workers
    workers = [Worker(number) for number in range(8)]
    for worker in workers:
        worker.start()


def round(n):
    for _ in range(n):
        number = next(numbers)
        workers[number % 8].jobs.put({"text": f"job {number} " * 5})
    for worker in workers:
        worker.jobs.join()
