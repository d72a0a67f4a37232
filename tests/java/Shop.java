import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.FileWriter;
import java.lang.management.ManagementFactory;
import java.lang.ref.*;
import java.util.*;
import java.util.concurrent.*;
import javax.management.ObjectName;

/** A program with a known object graph. Dumps itself to FILE.hprof and writes the histogram of the same moment to FILE.txt. */
public class Shop {
    enum Status { NEW, PAID }
    static class Base { byte flag = 1; long id; }
    static class Middle extends Base { int count = 2; boolean on = true; }
    static class Leaf extends Middle { short code = 3; Object payload; double rate = 0.5; char mark = 'x'; }
    static class Order {
        final int id; final String note; final Status status; final List<Line> lines = new ArrayList<>(); Order next;
        Order(int id) { this.id = id; note = "note " + id; status = Status.values()[id % 2]; }
        class Line { final Integer quantity; Line(int n) { quantity = 1000 + n; } }
    }
    /** Numbers at the edges of what a double can be. */
    static class Rate { final double rate; final float small; Rate(double rate) { this.rate = rate; small = (float) rate; } }
    static class Held { final byte[] bytes = new byte[100_000]; }
    static class Gone { final byte[] bytes = new byte[50_000]; }

    static final Map<String, Order> CACHE = new HashMap<>();
    static final List<Object> MIXED = new ArrayList<>();
    static Order first;

    static void hold(Held local, CountDownLatch ready, CountDownLatch end) throws Exception {
        ready.countDown();
        end.await();
        MIXED.add(local);
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 100; i++) {
            Order order = new Order(i);
            order.lines.add(order.new Line(i));
            order.lines.add(order.new Line(-i));
            CACHE.put("order-" + i, order);
            order.next = first;
            first = order;
        }
        for (int i = 0; i < 50; i++) { Leaf leaf = new Leaf(); leaf.payload = i; MIXED.add(leaf); }
        for (double rate : new double[] { Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY, Double.NaN, -0.0, -Double.MAX_VALUE, Double.MIN_VALUE }) {
            MIXED.add(new Rate(rate));
        }
        MIXED.add(new SoftReference<>(new char[] { 'a', 'b' }));
        MIXED.add(new WeakReference<>(first));
        MIXED.add(new PhantomReference<>(first, new ReferenceQueue<>()));
        MIXED.add(new long[7]); MIXED.add(new boolean[3]); MIXED.add(new double[2][5]); MIXED.add("\u4f8b \ud83d\ude00");
        MIXED.add(new ConcurrentHashMap<>(Map.of("a", 1, "b", 2)));
        MIXED.add(new LinkedHashSet<>(List.of(1, 2, 3)));
        MIXED.add((Runnable) () -> System.out.println(args.length));
        CountDownLatch ready = new CountDownLatch(1), end = new CountDownLatch(1);
        Thread worker = new Thread(() -> { try { hold(new Held(), ready, end); } catch (Exception e) { throw new RuntimeException(e); } }, "cart-worker");
        worker.setDaemon(true);
        worker.start();
        ready.await();
        var server = ManagementFactory.getPlatformMBeanServer();
        var bean = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        ObjectName command = new ObjectName("com.sun.management:type=DiagnosticCommand");
        Object[] none = { null };
        String[] signature = { String[].class.getName() };
        server.invoke(command, "gcClassHistogram", none, signature);
        bean.dumpHeap(args[0] + ".hprof", true);
        String histogram = (String) server.invoke(command, "gcClassHistogram", none, signature);
        try (FileWriter file = new FileWriter(args[0] + ".txt")) { file.write(histogram); }
        System.out.println(ProcessHandle.current().pid());
        System.out.flush();
        if (args.length > 1) System.in.read();
    }
}
