import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.io.*;
import java.lang.ref.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;

/** One leak by name, dumped at three moments to FILE-0.hprof and so on; with a third argument, `all`, garbage and all. */
public class Leaks {
    static class Session { final byte[] data = new byte[200]; final String id; Session(String id) { this.id = id; } }
    static class Button { final List<Runnable> listeners = new ArrayList<>(); }
    static final Map<String, Session> SESSIONS = new HashMap<>();
    static final Map<String, Session> RESULT_CACHE = new ConcurrentHashMap<>();
    static final Button BUTTON = new Button();
    static final List<Session> HISTORY = new ArrayList<>();
    static final ThreadLocal<List<Session>> CONTEXT = ThreadLocal.withInitial(ArrayList::new);
    static final ExecutorService POOL = Executors.newFixedThreadPool(4);
    static final Timer TIMER = new Timer("timer", true);
    class Inner { final byte[] data = new byte[200]; }
    final byte[] outer = new byte[300];
    static final List<Inner> INNERS = new ArrayList<>();
    static final List<ByteBuffer> BUFFERS = new ArrayList<>();
    static class OrderStatement { final byte[] row = new byte[100]; }
    static final List<OrderStatement> STATEMENTS = new ArrayList<>();
    static final Map<String, String> INTERNED = new HashMap<>();
    /** Whose finalizer never ends, so that none of the others runs. */
    static class Resource {
        final byte[] data = new byte[200];
        @Override protected void finalize() throws InterruptedException { Thread.sleep(1_000_000_000L); }
    }
    static final List<Session> SUBSCRIBERS = new CopyOnWriteArrayList<>();
    static final Map<String, Session> EXPIRING = new ConcurrentHashMap<>();
    /** A reference of a class of its own, as caches have. */
    static class Entry extends SoftReference<Session> { Entry(Session session) { super(session); } }
    static final Map<String, Entry> SOFT = new HashMap<>();
    static class Attachment { final Session of; final byte[] data = new byte[100]; Attachment(Session of) { this.of = of; } }
    static final Map<Session, Attachment> ATTACHED = Collections.synchronizedMap(new WeakHashMap<>());
    static class Attachments extends WeakHashMap<Session, Attachment> {}
    static final Attachments OF_A_SUBCLASS = new Attachments();
    /** What it has can go at any time. */
    static final Map<Session, String> NOTES = new WeakHashMap<>();
    static final Session[] NOTED = new Session[6000];
    /** It fills up, and then the first places are taken again. */
    static final Session[] RING = new Session[10000];
    static int place;
    /** An array that stays as long as it is, of maps that do not. */
    static final Map<String, Session>[] SHARDS = shards();
    @SuppressWarnings("unchecked") static Map<String, Session>[] shards() {
        Map<String, Session>[] shards = new Map[16];
        for (int i = 0; i < shards.length; i++) shards[i] = new HashMap<>();
        return shards;
    }
    /** A queue of a fixed capacity, of objects that keep more and more. */
    static class Connection { final List<OrderStatement> open = new ArrayList<>(); }
    static final BlockingQueue<Connection> POOLED = new ArrayBlockingQueue<>(8);
    static { for (int i = 0; i < 8; i++) POOLED.add(new Connection()); }
    /** It is made twice as long when it is full. */
    static Session[] stack = new Session[4096];
    static final List<Session> BATCH = new ArrayList<>();
    static final List<WeakReference<Session>> SEEN = new ArrayList<>();
    static ObjectOutputStream stream;
    static class Message implements Serializable { final byte[] data = new byte[100]; }
    static final List<URLClassLoader> LOADERS = new ArrayList<>();

    static void step(String leak, int n) throws Exception {
        for (int i = 0; i < 2000; i++) {
            Session session = new Session("s" + n + "-" + i);
            switch (leak) {
                case "static_map" -> SESSIONS.put(session.id, session);
                case "unbounded_map_cache" -> RESULT_CACHE.put(session.id, session);
                case "listeners" -> BUTTON.listeners.add(() -> System.out.println(session.id));
                case "growing_list" -> HISTORY.add(session);
                case "thread_local_in_pool" -> POOL.submit(() -> CONTEXT.get().add(session)).get();
                case "timer_task" -> TIMER.schedule(new TimerTask() { public void run() { System.out.println(session.id); } }, 10_000_000L);
                case "inner_class" -> INNERS.add(new Leaks().new Inner());
                case "direct_buffer" -> BUFFERS.add(ByteBuffer.allocateDirect(16));
                case "jdbc_statement" -> STATEMENTS.add(new OrderStatement());
                case "interned_string" -> INTERNED.put(session.id, session.id);
                case "garbage" -> session.id.length();
                // All of the step before have ended, and more have come.
                case "expiring" -> { if (i == 0) EXPIRING.clear(); for (int k = 0; k <= n; k++) EXPIRING.put(session.id + k, new Session(session.id)); }
                case "soft_cache" -> SOFT.put(session.id, new Entry(session));
                case "weak_value_holds_key" -> ATTACHED.put(session, new Attachment(session));
                case "weak_subclass" -> OF_A_SUBCLASS.put(session, new Attachment(session));
                case "weak_map" -> { NOTED[(n * 2000 + i) % 6000] = session; NOTES.put(session, session.id); }
                case "ring" -> RING[place++ % RING.length] = session;
                case "array_of_maps" -> SHARDS[i % SHARDS.length].put(session.id, session);
                case "pooled" -> { Connection one = POOLED.take(); one.open.add(new OrderStatement()); POOLED.put(one); }
                case "own_stack" -> {
                    if (place == stack.length) stack = Arrays.copyOf(stack, 2 * place);
                    stack[place++] = session;
                }
                case "batch" -> { if (i == 0) BATCH.clear(); for (int k = 0; k <= n; k++) BATCH.add(new Session(session.id + k)); }
                case "cleared_references" -> SEEN.add(new WeakReference<>(session));
                case "shutdown_hook" -> Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println(session.id)));
                case "object_stream" -> stream.writeObject(new Message());
                case "copied_list" -> SUBSCRIBERS.add(session);
                case "finalizer_queue" -> new Resource();
                case "class_loader" -> { if (i % 20 == 0) LOADERS.add(new URLClassLoader(new URL[0])); }
                default -> throw new IllegalArgumentException(leak);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        stream = new ObjectOutputStream(OutputStream.nullOutputStream());
        for (int n = 0; n < 3; n++) {
            step(args[0], n);
            if (args[0].equals("finalizer_queue")) { System.gc(); Thread.sleep(100); }
            ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class).dumpHeap(args[1] + "-" + n + ".hprof", args.length < 3);
        }
        Runtime.getRuntime().halt(0);
    }
}
