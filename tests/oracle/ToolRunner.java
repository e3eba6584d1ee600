import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Apache Kafka's command-line tools one after the other in one JVM. A line of input is a main class and its
 * arguments, separated by U+0001; the answer is a line "exit-code stdout-size stderr-size" and then those bytes. What a
 * tool prints after its first attempt to exit does not count, as it would not be there to print it.
 */
public class ToolRunner {
    private static final class Exited extends Error {
        Exited(int code) {
            super("exit " + code, null, false, false);
        }
    }

    private static int exitCode;
    private static byte[] out;
    private static byte[] err;

    private static void end(int code, ByteArrayOutputStream outBuffer, ByteArrayOutputStream errBuffer) {
        if (out == null) {
            System.out.flush();
            System.err.flush();
            exitCode = code;
            out = outBuffer.toByteArray();
            err = errBuffer.toByteArray();
        }
    }

    public static void main(String[] unused) throws Exception {
        PrintStream answers = System.out;
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String line;
        while ((line = commands.readLine()) != null) {
            String[] words = line.split("\u0001", -1);
            String[] arguments = java.util.Arrays.copyOfRange(words, 1, words.length);
            ByteArrayOutputStream outBuffer = new ByteArrayOutputStream();
            ByteArrayOutputStream errBuffer = new ByteArrayOutputStream();
            out = null;
            Exit.Procedure exit = (code, message) -> {
                end(code, outBuffer, errBuffer);
                throw new Exited(code);
            };
            Exit.setExitProcedure(exit);
            Exit.setHaltProcedure(exit);
            System.setOut(new PrintStream(outBuffer, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errBuffer, true, StandardCharsets.UTF_8));
            try {
                Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
                end(0, outBuffer, errBuffer);
            } catch (InvocationTargetException e) {
                if (!(e.getCause() instanceof Exited)) {
                    StringWriter trace = new StringWriter();
                    e.getCause().printStackTrace(new PrintWriter(trace));
                    System.err.print("Exception in thread \"main\" " + trace);
                }
                end(1, outBuffer, errBuffer);
            }
            answers.print(exitCode + " " + out.length + " " + err.length + "\n");
            answers.write(out);
            answers.write(err);
            answers.flush();
        }
        Runtime.getRuntime().halt(0); // a tool may have left a thread behind that would not end
    }
}
