import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.ConfigKey;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.QuotaConfig;
import org.apache.kafka.server.config.ServerTopicConfigSynonyms;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

/**
 * What Apache Kafka's own classes say about its properties, one fact a line, its parts divided by tabs.
 * `table`: all properties. `parse`: for each line "table TAB name TAB value" of the input the parsed value or the error.
 * `properties`: the name and value of each line of a properties file given as the input.
 */
public class ConfigFacts {
    static final Map<String, ConfigDef> TABLES = Map.of(
        "broker", AbstractKafkaConfig.CONFIG_DEF,
        "dynamic-only", QuotaConfig.brokerQuotaConfigs(),
        "topic", LogConfig.configDefCopy(),
        "group", GroupConfig.CONFIG_DEF,
        "client-metrics", ClientMetricsConfigs.configDef());

    /** Of which only types and validation count, and the order. */
    static final Map<String, ConfigDef> CLIENTS = Map.of(
        "producer", ProducerConfig.configDef(),
        "consumer", ConsumerConfig.configDef());

    static final PrintStream OUT = new PrintStream(
        new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, StandardCharsets.UTF_8);

    static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r");
    }

    static void line(Object... parts) {
        List<String> texts = new ArrayList<>();
        for (Object part : parts) texts.add(escaped(String.valueOf(part)));
        OUT.print(String.join("\t", texts) + "\n");
    }

    static void table() {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        for (String table : new TreeSet<>(TABLES.keySet())) {
            for (ConfigKey key : new TreeMap<>(TABLES.get(table).configKeys()).values()) {
                String value = !key.hasDefault() ? "none"
                    : key.defaultValue == null ? "null"
                    : "=" + ConfigDef.convertToString(key.defaultValue, key.type);
                line("key", table, key.name, key.type, value, key.importance,
                    key.validator == null ? "" : key.validator, key.internalConfig,
                    table.equals("broker") || table.equals("dynamic-only") ? modes.getOrDefault(key.name, "read-only") : "read-only");
            }
        }
        CLIENTS.forEach((client, table) ->
            table.configKeys().values().forEach(key -> line("client-key", client, key.name, key.type)));
        ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.forEach((name, synonyms) ->
            synonyms.forEach(synonym -> line("topic-synonym", name, synonym.name(), synonym.converter().apply("1"))));
        GroupConfig.ALL_GROUP_CONFIG_SYNONYMS.forEach((name, synonym) -> line("group-synonym", name, synonym.orElse("none")));
        for (String name : AbstractKafkaConfig.CONFIG_DEF.names()) {
            for (String form : List.of(name, "listener.name.internal." + name, "listener.name.internal.plain." + name)) {
                line("broker-synonym", form, String.join(",", DynamicBrokerConfig.brokerConfigSynonyms(form, true)));
            }
        }
    }

    static void parse(BufferedReader input) throws Exception {
        for (String text = input.readLine(); text != null; text = input.readLine()) {
            String[] parts = text.split("\t", -1);
            ConfigDef all = TABLES.getOrDefault(parts[0], CLIENTS.get(parts[0]));
            ConfigDef one = new ConfigDef();
            one.define(all.configKeys().get(parts[1]));
            try {
                Object value = one.parse(Map.of(parts[1], parts[2])).get(parts[1]);
                line("=" + ConfigDef.convertToString(value, all.configKeys().get(parts[1]).type));
            } catch (Exception error) {
                line(error.getClass().getSimpleName() + ": " + error.getMessage());
            }
        }
    }

    static void properties() throws Exception {
        Properties properties = new Properties();
        properties.load(new InputStreamReader(System.in, "UTF-8"));
        new TreeMap<>(properties).forEach((name, value) -> line(name, value));
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "table" -> table();
            case "parse" -> parse(new BufferedReader(new InputStreamReader(System.in, "UTF-8")));
            default -> properties();
        }
        OUT.flush();
    }
}
