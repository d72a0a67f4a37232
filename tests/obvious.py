"""The graph of a heap, asked in the slow but obvious way."""

import collections

WEAK_TYPES = {"weakref", "weakproxy", "weakcallableproxy", "ReferenceType", "ProxyType", "CallableProxyType"}


class Graph:
    """Objects (address -> type, size) and references (parent, child, idx) of one dump, as its tables give them."""

    def __init__(self, objects, edges, roots):
        self.type = {address: kind for address, kind, _ in objects}
        self.size = {address: max(size or 0, 0) for address, _, size in objects}
        self.edges = [edge for edge in edges if edge[1] in self.type]
        self.roots = dict(roots)
        self.children = collections.defaultdict(list)
        for parent, child, idx in self.edges:
            if self.type[parent] not in WEAK_TYPES:
                self.children[parent].append((child, idx))

    def reached(self, roots, cut_objects=(), cut_edges=()):
        """Hops to everything that can be reached."""
        cut_objects, cut_edges = set(cut_objects), set(cut_edges)
        hops = {root: 0 for root in roots if root not in cut_objects}
        queue = collections.deque(hops)
        while queue:
            parent = queue.popleft()
            for child, idx in self.children[parent]:
                if child not in hops and child not in cut_objects and (parent, idx) not in cut_edges:
                    hops[child] = hops[parent] + 1
                    queue.append(child)
        return hops

    def gone(self, cut_objects=(), cut_edges=()):
        """What becomes unreachable."""
        return self.type.keys() - self.reached(self.roots, cut_objects, cut_edges).keys()

    def distances(self):
        return self.reached(root for root, kind in self.roots.items() if kind != "cycle")

    def dominated(self):
        """By object: what goes with it."""
        return {address: self.gone([address]) for address in self.type}

    def expected_roots(self):
        """Kinds by address; of a cycle, the set of objects of which one is to be the root."""
        parents = collections.defaultdict(set)
        for parent in list(self.children):
            for child, _ in self.children[parent]:
                parents[child].add(parent)
        roots = {}
        running = set()
        frames = {address for address, kind in self.type.items() if kind == "frame"}
        while True:
            more = {frame for frame in frames - running if parents[frame] <= running}
            if not more:
                break
            running |= more
        for address, kind in self.type.items():
            if kind == "module":
                roots[address] = "module"
            elif address in running:
                roots[address] = "frame"
            elif not parents[address]:
                roots[address] = "unreferenced"
        rest = self.type.keys() - self.reached(roots).keys()
        cycles = []
        for address in rest:
            below = self.reached([address]).keys()
            # Of a source component everything that reaches it is in it.
            above = {other for other in rest if address in self.reached([other])}
            if above <= below and above not in cycles:
                cycles.append(above)
        return roots, cycles
