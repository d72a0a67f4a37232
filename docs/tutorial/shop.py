"""A web shop that leaks: the program of docs/tutorial.md. Standard library only, CPython 3.8 or later."""

import json


class Signal:
    """Tells its listeners that something happened, as the signals of Django and blinker do."""

    def __init__(self):
        self.listeners = []

    def connect(self, listener):
        self.listeners.append(listener)

    def disconnect(self, listener):
        self.listeners.remove(listener)

    def send(self, subject):
        for listener in list(self.listeners):
            listener(subject)


class Product:
    def __init__(self, number):
        self.number = number
        self.title = f"Product {number}"
        self.price = 5 + number % 90


class Request:
    def __init__(self, environ):
        self.path = environ["PATH_INFO"]
        self.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.messages = []


class Order:
    def __init__(self, numbers):
        self.numbers = numbers
        self.total = sum(catalog[number].price for number in numbers)


catalog = [Product(number) for number in range(250)]
pages = {}
order_paid = Signal()


def product_page(request):
    """The page of a product. It is made once, because that takes long."""
    product = catalog[int(request.path.rsplit("/", 1)[1])]
    if product.number not in pages:
        pages[product.number] = f"<h1>{product.title}</h1>" + "<p>You will love it.</p>" * 50
    return pages[product.number]


def checkout(request):
    """Takes an order, and thanks the customer once it is paid."""
    order = Order(json.loads(request.body)["products"])

    def say_thanks(paid):
        if paid is order:
            request.messages.append(f"Thank you for {paid.total}.00!")

    order_paid.connect(say_thanks)
    order_paid.send(order)
    return " ".join(request.messages)


def application(environ, start_response):
    request = Request(environ)
    answer = checkout(request) if request.path == "/checkout" else product_page(request)
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [answer.encode()]
