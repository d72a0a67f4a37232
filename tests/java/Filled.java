import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.ObjIntConsumer;

/** A collection by name that gets 1,500 orders before each of three dumps, FILE-0.hprof and so on. */
public class Filled {
    static class Order { final byte[] data = new byte[200]; }
    static class Shop { Object orders; }
    static final Shop SHOP = new Shop();

    static <C> ObjIntConsumer<Order> with(C collection, ObjIntConsumer<C> put) {
        SHOP.orders = collection;
        return (order, i) -> { current = order; put.accept(collection, i); };
    }
    static Order current;

    static ObjIntConsumer<Order> of(String name) {
        Random random = new Random(7);
        return switch (name) {
            case "java.util.ArrayList" -> with(new ArrayList<Order>(), (c, i) -> c.add(current));
            case "java.util.LinkedList" -> with(new LinkedList<Order>(), (c, i) -> c.add(current));
            case "java.util.ArrayDeque" -> with(new ArrayDeque<Order>(), (c, i) -> c.add(current));
            case "java.util.HashMap" -> with(new HashMap<Integer, Order>(), (c, i) -> c.put(random.nextInt(), current));
            case "java.util.LinkedHashMap" -> with(new LinkedHashMap<Integer, Order>(), (c, i) -> c.put(i, current));
            case "java.util.TreeMap" -> with(new TreeMap<Integer, Order>(), (c, i) -> c.put(random.nextInt(), current));
            case "java.util.IdentityHashMap" -> with(new IdentityHashMap<Order, Order>(), (c, i) -> c.put(current, current));
            case "java.util.HashSet" -> with(new HashSet<Order>(), (c, i) -> c.add(current));
            case "java.util.concurrent.ConcurrentHashMap" ->
                with(new ConcurrentHashMap<String, Order>(), (c, i) -> c.put("order " + i, current));
            case "java.util.concurrent.ConcurrentSkipListMap" ->
                with(new ConcurrentSkipListMap<Integer, Order>(), (c, i) -> c.put(i, current));
            case "java.util.concurrent.ConcurrentLinkedDeque" ->
                with(new ConcurrentLinkedDeque<Order>(), (c, i) -> c.add(current));
            case "java.util.concurrent.LinkedBlockingQueue" ->
                with(new LinkedBlockingQueue<Order>(), (c, i) -> c.add(current));
            case "java.util.concurrent.ArrayBlockingQueue" ->
                with(new ArrayBlockingQueue<Order>(5000), (c, i) -> c.add(current));
            default -> throw new IllegalArgumentException(name);
        };
    }

    public static void main(String[] args) throws Exception {
        ObjIntConsumer<Order> put = of(args[0]);
        for (int n = 0; n < 3; n++) {
            for (int i = 0; i < 1500; i++) put.accept(new Order(), n * 1500 + i);
            current = null;
            ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class).dumpHeap(args[1] + "-" + n + ".hprof", true);
        }
        Runtime.getRuntime().halt(0);
    }
}
