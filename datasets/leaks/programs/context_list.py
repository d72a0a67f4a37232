"""A context variable holds a list that was put there at start; every request's context is a copy that shares it."""
import contextvars
import itertools

TRUTH = {"held": True, "leaks": True, "idiom": ["context_var", "growing_container"], "type": "Span"}

numbers = itertools.count(1)
spans = contextvars.ContextVar("spans")


class Span:
    def __init__(self, number):
        self.name = f"GET /orders/{number}"
        self.tags = {"http.url": f"https://shop.example/orders/{number}" * 4, "span.kind": "server"}


def trace():
    spans.get().append(Span(next(numbers)))


def setup():
    spans.set([])


def round(n):
    for _ in range(n):
        contextvars.copy_context().run(trace)


def holder():
    return spans.get()


def release():
    spans.get().clear()
