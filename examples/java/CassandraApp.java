import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.cql.Row;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A program that reads its token of Astra from OpenBao or Vault, and works with the Java driver, <code>java-driver-core</code> 4.
 *
 * <p>Set BAO_ADDR, BAO_TOKEN, ASTRA_CREDS (such as <code>astra/creds/ORG_ID/ROLE</code>), and ASTRA_BUNDLE: the file with the secure
 * connect bundle of the database. The field <code>token</code> is the password; the user name is the word <code>token</code>.
 */
public final class CassandraApp {
    /** A token of Astra has no character that JSON escapes, so no reader of JSON is needed for it. */
    private static final Pattern TOKEN = Pattern.compile("\"token\"\\s*:\\s*\"(AstraCS:[^\"]+)\"");

    public static void main(String[] arguments) throws Exception {
        CqlSessionBuilder builder = CqlSession.builder().withAuthCredentials("token", readToken());
        try (CqlSession session = atTheDatabase(builder).build()) {
            Row row = session.execute("SELECT release_version FROM system.local").one();
            System.out.println("connected, version " + row.getString("release_version"));
        }
    }

    /** One read makes one token: a program that runs long keeps the whole answer, and renews its lease. */
    private static String readToken() throws IOException, InterruptedException {
        URI url = URI.create(System.getenv("BAO_ADDR") + "/v1/" + System.getenv("ASTRA_CREDS"));
        HttpRequest request =
                HttpRequest.newBuilder(url)
                        .header("X-Vault-Token", System.getenv("BAO_TOKEN"))
                        .timeout(Duration.ofSeconds(30))
                        .build();
        var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        Matcher token = TOKEN.matcher(answer.body());
        if (answer.statusCode() != 200 || !token.find()) {
            throw new IOException(url + " answered " + answer.statusCode() + " without a token");
        }
        return token.group(1);
    }

    /** The database: its bundle, or an address without TLS for tests. */
    private static CqlSessionBuilder atTheDatabase(CqlSessionBuilder builder) {
        String bundle = System.getenv("ASTRA_BUNDLE");
        if (bundle != null) {
            return builder.withCloudSecureConnectBundle(Path.of(bundle));
        }
        String[] address = System.getenv("CQL_ADDRESS").split(":");
        return builder.addContactPoint(new InetSocketAddress(address[0], Integer.parseInt(address[1])))
                .withLocalDatacenter("dc-1");
    }
}
