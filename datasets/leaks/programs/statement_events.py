"""An echo of statements with their parameters, recorded as objects by a listener that tests have left behind."""
import itertools
from driver import Alternatives

TRUTH = {"held": True, "leaks": True, "idiom": ["query_log", "growing_container"], "type": "ExecutedStatement"}

numbers = itertools.count(1)


class ExecutedStatement:
    def __init__(self, statement, parameters):
        self.statement = statement
        self.parameters = parameters
        self.stack = [f"view.py:{i}" + "." * 30 for i in range(5)]


class Recorder:
    def __init__(self):
        self.statements = []

    def before_execute(self, statement, parameters):
        self.statements.append(ExecutedStatement(statement, parameters))


class Engine:
    def __init__(self):
        self.listeners = {"before_execute": []}

    def run(self, statement, **parameters):
        for listener in self.listeners["before_execute"]:
            listener(statement, parameters)


def setup():
    global engine, recorder
    engine, recorder = Engine(), Recorder()
    engine.listeners["before_execute"].append(recorder.before_execute)


def round(n):
    for _ in range(n):
        engine.run("insert into log values (:id, :text)", id=next(numbers), text="t" * 200)


def holder():
    return Alternatives([recorder.statements, recorder])


def release():
    recorder.statements.clear()
