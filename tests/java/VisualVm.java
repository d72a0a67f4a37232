import java.io.*;
import org.graalvm.visualvm.lib.jfluid.heap.*;

/** What VisualVM's heap library says of objects: reads addresses from standard input, prints address, size, and retained size of each. */
public class VisualVm {
    public static void main(String[] args) throws Exception {
        Heap heap = HeapFactory.createHeap(new File(args[0]));
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            Instance instance = heap.getInstanceByID(Long.parseUnsignedLong(line));
            if (instance != null) System.out.println(line + " " + instance.getSize() + " " + instance.getRetainedSize());
        }
    }
}
