"""The last moment is in the middle of a burst: 150 jobs wait in a queue that was empty at every moment before."""
import itertools
import queue

TRUTH = {"held": False, "leaks": False}

turns = itertools.count(1)


class Job:
    def __init__(self, number):
        self.number = number
        self.document = f"document {number} " * 25


def setup():
    global jobs
    jobs = queue.Queue()


def round(n):
    for _ in range(n):
        turn = next(turns)
        jobs.put(Job(turn))
        if 150 < turn <= 300 and turn > 240:
            for i in range(2):
                jobs.put(Job(turn * 10 + i))
        else:
            while not jobs.empty():
                jobs.get()
