import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.net.*;
import java.nio.file.Path;
import java.util.*;

/** Loads a plug-in by ten class loaders; each stays because the plug-in adds a shutdown hook, and dumps itself to a file. */
public class Redeploy {
    public static class Plugin<T extends Comparable<T>> implements Runnable, Comparator<List<T>> {
        static final byte[] CONFIGURATION = new byte[20_000];

        public int compare(List<T> one, List<T> other) { return 0; }

        public void run() {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.print(CONFIGURATION.length == 1 ? "x" : "")));
        }
    }

    public static void main(String[] args) throws Exception {
        URL classes = Path.of(args[0]).toUri().toURL();
        for (int i = 0; i < 10; i++) {
            // Without the program's own loader as parent, which has the plug-in as well.
            URLClassLoader loader = new URLClassLoader(new URL[] { classes }, ClassLoader.getPlatformClassLoader());
            Class<?> plugin = loader.loadClass("Redeploy$Plugin");
            plugin.getDeclaredMethods();
            plugin.getTypeParameters();
            plugin.getGenericInterfaces();
            ((Runnable) plugin.getDeclaredConstructor().newInstance()).run();
            loader.close();
        }
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class).dumpHeap(args[1], true);
    }
}
