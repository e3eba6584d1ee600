// Apache Kafka's share consumer against the broker under test; each command prints one line of JSON.
//
//     ShareConsumers BOOTSTRAP_SERVERS implicit TOPIC GROUP    two members share TOPIC's 100 records, acknowledging by poll
//     ShareConsumers BOOTSTRAP_SERVERS explicit TOPIC GROUP    one member accepts, releases, rejects and renews
//     ShareConsumers BOOTSTRAP_SERVERS admin TOPIC GROUP       what Admin says of the group, and does to it
//
// TOPIC is created; GROUP reads from its beginning.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class ShareConsumers {
    private static final int RECORDS = 100;
    private final String bootstrapServers;
    private final String topic;
    private final String group;
    private final Admin admin;

    private ShareConsumers(String bootstrapServers, String topic, String group) throws Exception {
        this.bootstrapServers = bootstrapServers;
        this.topic = topic;
        this.group = group;
        admin = Admin.create(Map.of("bootstrap.servers", bootstrapServers));
        admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        Collection<AlterConfigOp> changes = List.of(
            set("share.auto.offset.reset", "earliest"), set("share.record.lock.duration.ms", "15000"));
        admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(
            Map.of("bootstrap.servers", bootstrapServers), new StringSerializer(), new StringSerializer())) {
            for (int index = 0; index < RECORDS; index++) {
                producer.send(new ProducerRecord<>(topic, index % 2, null, "value-" + index));
            }
        }
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    private KafkaShareConsumer<String, String> consumer(String mode) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrapServers);
        properties.put("group.id", group);
        properties.put("share.acknowledgement.mode", mode);
        KafkaShareConsumer<String, String> consumer =
            new KafkaShareConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private void implicit() {
        List<Integer> counts = new ArrayList<>(List.of(0, 0));
        TreeSet<String> seen = new TreeSet<>();
        int delivered = 0;
        long deadline = System.currentTimeMillis() + 60_000;
        try (KafkaShareConsumer<String, String> first = consumer("implicit");
             KafkaShareConsumer<String, String> second = consumer("implicit")) {
            while (seen.size() < RECORDS && System.currentTimeMillis() < deadline) {
                int index = 0;
                for (KafkaShareConsumer<String, String> consumer : List.of(first, second)) {
                    for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                        seen.add(record.value());
                        delivered++;
                        counts.set(index, counts.get(index) + 1);
                    }
                    index++;
                }
            }
            first.commitSync();
            second.commitSync();
        }
        System.out.printf("{\"distinct\": %d, \"delivered\": %d}%n", seen.size(), delivered);
    }

    private void explicit() {
        Map<Integer, Integer> deliveries = new TreeMap<>();
        Map<String, String> ends = new TreeMap<>();
        int renewed = 0;
        long deadline = System.currentTimeMillis() + 60_000;
        try (KafkaShareConsumer<String, String> consumer = consumer("explicit")) {
            while (ends.size() < RECORDS && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    int number = Integer.parseInt(record.value().substring(6));
                    int count = record.deliveryCount().orElse((short) 0);
                    deliveries.merge(count, 1, Integer::sum);
                    if (number % 10 == 3) {
                        consumer.acknowledge(record, AcknowledgeType.REJECT);
                        ends.put(record.value(), "rejected");
                    } else if (number % 10 == 5 && count == 1) {
                        consumer.acknowledge(record, AcknowledgeType.RELEASE);
                    } else {
                        consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                        ends.put(record.value(), "accepted");
                    }
                }
                consumer.commitSync();
            }
        }
        Map<String, Long> counted = ends.values().stream().collect(Collectors.groupingBy(end -> end, Collectors.counting()));
        System.out.printf("{\"accepted\": %d, \"rejected\": %d, \"first\": %d, \"second\": %d}%n",
            counted.get("accepted"), counted.get("rejected"), deliveries.get(1), deliveries.getOrDefault(2, 0));
    }

    private void administer() throws Exception {
        implicit();
        ShareGroupDescription described = admin.describeShareGroups(List.of(group)).describedGroups().get(group).get();
        System.out.printf("{\"state\": \"%s\", \"members\": %d, \"listed\": %b, \"lags\": \"%s\"",
            described.groupState(), described.members().size(),
            admin.listGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)), lags());
        admin.alterShareGroupOffsets(group, Map.of(new TopicPartition(topic, 0), 10L)).all().get();
        System.out.printf(", \"altered\": \"%s\"", lags());
        admin.deleteShareGroupOffsets(group, java.util.Set.of(topic)).all().get();
        System.out.printf(", \"deleted\": \"%s\"", lags());
        admin.deleteShareGroups(List.of(group)).all().get();
        System.out.printf(", \"left\": %b}%n",
            admin.listGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)));
    }

    private String lags() throws Exception {
        Map<TopicPartition, SharePartitionOffsetInfo> found = admin.listShareGroupOffsets(
            Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group).get();
        return new TreeMap<>(found.entrySet().stream().filter(entry -> entry.getValue() != null)
            .collect(Collectors.toMap(entry -> entry.getKey().partition(), entry -> entry.getValue().lag().orElse(-1L)))).toString();
    }

    public static void main(String[] arguments) throws Exception {
        ShareConsumers program = new ShareConsumers(arguments[0], arguments[2], arguments[3]);
        try {
            switch (arguments[1]) {
                case "implicit" -> program.implicit();
                case "explicit" -> program.explicit();
                case "admin" -> program.administer();
                default -> throw new IllegalArgumentException(arguments[1]);
            }
        } finally {
            program.admin.close();
        }
    }
}
