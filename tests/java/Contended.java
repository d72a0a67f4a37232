import java.util.*;
import java.util.concurrent.*;

/** Instances of the classes of the JDK whose fields are padded; then the dump and the histogram as {@link Shop} makes them. */
public class Contended {
    static final List<Object> KEPT = new ArrayList<>();

    static Object made(String name, Object... arguments) throws Exception {
        var constructor = arguments.length == 0
            ? Class.forName(name).getDeclaredConstructor() : Class.forName(name).getDeclaredConstructor(long.class);
        constructor.setAccessible(true);
        return constructor.newInstance(arguments);
    }

    public static void main(String[] args) throws Exception {
        KEPT.add(made("java.util.concurrent.atomic.Striped64$Cell", 1L));
        KEPT.add(made("java.util.concurrent.ConcurrentHashMap$CounterCell", 1L));
        KEPT.add(made("java.util.concurrent.Exchanger$Node"));
        ForkJoinPool pool = new ForkJoinPool(2);
        pool.submit(() -> {}).get();
        KEPT.add(pool);
        SubmissionPublisher<String> publisher = new SubmissionPublisher<>(pool, 16);
        publisher.subscribe(new Flow.Subscriber<>() {
            public void onSubscribe(Flow.Subscription subscription) {}
            public void onNext(String item) {}
            public void onError(Throwable error) {}
            public void onComplete() {}
        });
        KEPT.add(publisher);
        Shop.main(args);
    }
}
