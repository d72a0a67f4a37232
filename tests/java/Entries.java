import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.*;
import java.util.concurrent.*;

/** Collections of every kind, each with the items 0 to 3 (List.of and the like with fewer), by keys or in this order. Dumps itself to FILE. */
public class Entries {
    static class Item { final int id; final String of; Item(String of, int id) { this.of = of; this.id = id; } }
    /** All keys have one hash, so that a table has a tree. */
    static class Same implements Comparable<Same> {
        final int id;
        Same(int id) { this.id = id; }
        @Override public int hashCode() { return 7; }
        @Override public boolean equals(Object other) { return other instanceof Same same && same.id == id; }
        @Override public int compareTo(Same other) { return id - other.id; }
    }
    static class OwnMap extends HashMap<String, Item> {}
    enum Day { MON, TUE, WED, THU }

    static class Maps {
        Map<String, Item> hash = fill("hash", new HashMap<>()), linked = fill("linked", new LinkedHashMap<>());
        Map<String, Item> tree = fill("tree", new TreeMap<>()), table = fill("table", new Hashtable<>());
        Map<String, Item> concurrent = fill("concurrent", new ConcurrentHashMap<>()), weak = fill("weak", new WeakHashMap<>());
        Map<String, Item> own = fill("own", new OwnMap());
        Map<String, Item> unmodifiable = Collections.unmodifiableMap(fill("unmodifiable", new HashMap<>()));
        Map<String, Item> synchronizedMap = Collections.synchronizedMap(fill("synchronizedMap", new TreeMap<>()));
        Map<String, Item> one = Map.of("key-0", new Item("one", 0)), single = Collections.singletonMap("key-0", new Item("single", 0));
        Map<String, Item> identity = fill("identity", new IdentityHashMap<>()), some = Map.copyOf(fill("some", new HashMap<>()));
        Map<String, Item> other = Map.of("other", new Item("other", 9), "key-9", new Item("other", 8));
        Map<String, Item> skip = fill("skip", new ConcurrentSkipListMap<>());
        Map<String, Item> checked = Collections.checkedMap(fill("checked", new HashMap<>()), String.class, Item.class);
        Map<String, Item> sorted = Collections.unmodifiableSortedMap((SortedMap<String, Item>) fill("sorted", new TreeMap<>()));
        Map<String, Item> navigable = Collections.unmodifiableNavigableMap((NavigableMap<String, Item>) fill("navigable", new TreeMap<>()));
    }
    static class Bags {
        Map<Same, Item> bin = new HashMap<>(), concurrentBin = new ConcurrentHashMap<>();
        Map<Day, Item> days = new EnumMap<>(Day.class), otherDays = new EnumMap<>(Day.class);
        Set<Item> hashSet = new HashSet<>(items("hashSet")), linkedSet = new LinkedHashSet<>(items("linkedSet"));
        Set<Item> setOf = Set.copyOf(items("setOf")), keySet = ConcurrentHashMap.newKeySet();
        Set<Item> identitySet = Collections.newSetFromMap(new IdentityHashMap<>()), skipSet = new ConcurrentSkipListSet<>(BY_ID);
        Queue<Item> heap = new PriorityQueue<>(BY_ID);
        Queue<Item> queue = new ConcurrentLinkedQueue<>(items("queue")), blocking = new LinkedBlockingQueue<>(items("blocking"));
        Queue<Item> array = new ArrayBlockingQueue<>(9, false, items("array"));
        Bags() {
            for (int i = 0; i < 4; i++) days.put(Day.values()[i], new Item("days", i));
            for (int i = 0; i < 40; i++) { bin.put(new Same(i), new Item("bin", i)); concurrentBin.put(new Same(i), new Item("concurrentBin", i)); }
            keySet.addAll(items("keySet"));
            identitySet.addAll(items("identitySet"));
            skipSet.addAll(items("skipSet"));
            heap.addAll(items("heap"));
            otherDays.put(Day.THU, new Item("otherDays", 3));
        }
    }
    static class Lists {
        Queue<Item> queued = new ConcurrentLinkedQueue<>(items("queued")), blockingDeque = new LinkedBlockingDeque<>(items("blockingDeque"));
        Queue<Item> linkedBlocking = new LinkedBlockingQueue<>(items("linkedBlocking")), ring = new ArrayBlockingQueue<>(9);
        Queue<Item> heap = new PriorityQueue<>(BY_ID), heapBlocking = new PriorityBlockingQueue<>(9, BY_ID);
        List<Item> arrayList = new ArrayList<>(items("arrayList")), vector = new Vector<>(items("vector")), linkedList = new LinkedList<>(items("linkedList"));
        List<Item> asList = Arrays.asList(items("asList").toArray(new Item[0])), listOf = List.copyOf(items("listOf"));
        List<Item> copyOnWrite = new CopyOnWriteArrayList<>(items("copyOnWrite")), wrapped = Collections.unmodifiableList(new ArrayList<>(items("wrapped")));
        Collection<Item> deque = new ArrayDeque<>(items("deque")), turned = new ArrayDeque<>();
        List<Item> two = List.of(new Item("two", 0), new Item("two", 1)), only = Collections.singletonList(new Item("only", 0));
        Stack<Item> stack = new Stack<>();
        Lists() {
            stack.addAll(items("stack"));
            // Its array has 17 places: the items are at the last two and the first two.
            for (int i = 0; i < 15; i++) { turned.add(new Item("turned", 99)); ((Deque<Item>) turned).poll(); }
            turned.addAll(items("turned"));
            for (int i = 0; i < 7; i++) { ring.add(new Item("ring", 99)); ring.poll(); }
            ring.addAll(items("ring"));
            for (int i = 0; i < 5; i++) { queued.add(new Item("queued", i)); linkedBlocking.add(new Item("linkedBlocking", i)); }
            for (int i = 0; i < 5; i++) { queued.poll(); linkedBlocking.poll(); }
            for (int i = 0; i < 4; i++) { queued.poll(); linkedBlocking.poll(); }
            queued.addAll(items("queued"));
            linkedBlocking.addAll(items("linkedBlocking"));
            heap.addAll(items("heap"));
            heapBlocking.addAll(items("heapBlocking"));
        }
        Item[] plain = items("plain").toArray(new Item[0]);
    }

    /** Too long for an automaton, a ring without a gap, a deque that begins before its head, and parts of lists. */
    static class Others {
        List<Item> longList = new LinkedList<>(many("longList", 400)), withNulls = new LinkedList<>(Collections.nCopies(200, null));
        Queue<Item> longQueue = new ConcurrentLinkedQueue<>(many("longQueue", 400)), full = new ArrayBlockingQueue<>(4, false, items("full"));
        Deque<Item> pushed = new ConcurrentLinkedDeque<>();
        List<Item> arrayPart = new ArrayList<>(many("arrayPart", 20)).subList(5, 15).subList(2, 6), asListPart = Arrays.asList(many("asListPart", 20).toArray(new Item[0])).subList(7, 11);
        List<Item> vectorPart = new Vector<>(many("vectorPart", 20)).subList(7, 11), listOfPart = List.copyOf(many("listOfPart", 20)).subList(7, 11);
        Others() {
            withNulls.add(new Item("withNulls", 200));
            for (int i = 3; i >= 0; i--) pushed.addFirst(new Item("pushed", i));
        }
    }

    static final Comparator<Item> BY_ID = Comparator.comparingInt(item -> item.id);
    static List<Item> items(String of) { return many(of, 4); }
    static List<Item> many(String of, int n) {
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < n; i++) items.add(new Item(of, i));
        return items;
    }
    static final List<String> KEYS = new ArrayList<>();
    static Map<String, Item> fill(String of, Map<String, Item> map) {
        for (int i = 0; i < 4; i++) map.put(KEYS.get(i), new Item(of, i));
        return map;
    }

    static Maps maps;
    static Bags bags;
    static Lists lists;
    static Others others;

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 4; i++) KEYS.add("key-" + i);
        maps = new Maps();
        bags = new Bags();
        lists = new Lists();
        others = new Others();
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class).dumpHeap(args[0], true);
    }
}
