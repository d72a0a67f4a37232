# Roots --------------------------------------------------------------------------------------------------------------

#: Handlers of signals that the child set back.
_SIGNALS = []


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
    for number, handler in chain(_SIGNALS, _handlers_of_signals()):
        stacks.roots.append((f"signal {_signal_name(number)}", handler))
    for kind, obj in stacks.roots:
        root(obj, kind)


def _handlers_of_signals():
    for number in _signal.valid_signals():
        try:
            handler = _signal.getsignal(number)
        except (OSError, ValueError):
            continue
        if handler is not None and type(handler) is not _signal.Handlers:
            yield number, handler


def _signal_name(number):
    try:
        return _signal.Signals(number).name
    except ValueError:
        return str(int(number))


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
