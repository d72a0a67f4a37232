# Roots --------------------------------------------------------------------------------------------------------------


def _find_roots(roots, stacks):
    """Notes by address why an object is a root; those that no other object refers to are added to the roots of `stacks`."""
    root = lambda obj, kind: roots.setdefault(id(obj), kind)
    modules = sys.modules
    root(modules, "interpreter")
    if type(modules) is dict:
        for module in modules.values():
            root(module, "sys.modules")
    for module in (sys, builtins):
        root(_module_dict(module), "interpreter")
    for number, handler in _handlers_of_signals():
        stacks.roots.append((f"signal {_signal_name(number)}", handler))
    for kind, obj in stacks.roots:
        root(obj, kind)


def _handlers_of_signals():
    for number in range(1, _signal.NSIG):
        try:
            handler = _signal.getsignal(number)
        except (OSError, ValueError):
            continue
        if handler is not None and type(handler) is not int:
            yield number, handler


def _signal_name(number):
    for name, value in vars(_signal).items():
        if type(value) is int and value == number and name.startswith("SIG") and "_" not in name:
            return name
    return str(number)


def _program_names(objects):
    """Identifiers that the program's text has: of attributes, functions and modules; no data."""
    names = set()
    for obj in objects:
        cls = type(obj)
        if cls is types.FunctionType:
            names.update(_names_in(obj.__code__))
        elif cls is types.ModuleType:
            names.update(key for key in _module_dict(obj) if type(key) is str and key.isidentifier())
        elif _is_one_of(type, _mro_of(cls)):
            names.update(key for key in _proxy_of(obj) if type(key) is str and key.isidentifier())
    return names
