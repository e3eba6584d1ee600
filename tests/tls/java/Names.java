import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/** Reads lines: a file with a certificate, or rules, a tab and a name; prints the name, or the user that it stands for. */
public class Names {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] parts = line.split("\t");
            try {
                if (parts.length == 1) {
                    try (FileInputStream file = new FileInputStream(line)) {
                        X509Certificate certificate =
                            (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(file);
                        out.println(certificate.getSubjectX500Principal().getName());
                    }
                } else {
                    out.println(SslPrincipalMapper.fromRules(parts[0]).getName(parts[1]));
                }
            } catch (Exception error) {
                out.println("! " + String.valueOf(error.getMessage()).lines().findFirst().orElse(""));
            }
        }
    }
}
