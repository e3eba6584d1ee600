// Apache Kafka's Java clients against the broker under test; tests/fixtures/client_scenarios.py says what each scenario does and prints.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class KafkaClients {
    static String bootstrapServers;

    public static void main(String[] arguments) throws Exception {
        bootstrapServers = arguments[0];
        String topic = arguments[2];
        ObjectMapper mapper = new ObjectMapper();
        JsonNode script = mapper.readTree(System.in);
        Object report = switch (arguments[1]) {
            case "codecs" -> codecs(topic, script);
            case "group" -> group(topic, arguments[3], arguments[4], script);
            case "transactions" -> transactions(topic, arguments[3], arguments[4], script);
            case "admin" -> admin(topic, arguments[3]);
            default -> throw new IllegalArgumentException(arguments[1]);
        };
        System.out.println(mapper.writeValueAsString(report));
    }

    static Admin newAdmin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrapServers));
    }

    static KafkaProducer<String, String> newProducer(Map<String, Object> settings) {
        Map<String, Object> configs = new HashMap<>(settings);
        configs.put("bootstrap.servers", bootstrapServers);
        return new KafkaProducer<>(configs, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> newConsumer(Map<String, Object> settings) {
        Map<String, Object> configs = new HashMap<>(settings);
        configs.put("bootstrap.servers", bootstrapServers);
        configs.put("enable.auto.commit", false);
        configs.put("auto.offset.reset", "earliest");
        configs.put("fetch.max.wait.ms", 50);
        return new KafkaConsumer<>(configs, new StringDeserializer(), new StringDeserializer());
    }

    static void createTopic(String topic, int partitions) throws Exception {
        try (Admin admin = newAdmin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    static void waitFor(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!condition.call()) {
            if (System.nanoTime() > deadline) throw new IllegalStateException("waiting for " + what);
            Thread.sleep(5);
        }
    }

    static Object codecs(String topic, JsonNode script) throws Exception {
        createTopic(topic, 1);
        int produced = 0;
        for (JsonNode batch : script.get("batches")) {
            Map<String, Object> settings = Map.of("compression.type", batch.get("codec").asText(), "linger.ms", 50);
            try (KafkaProducer<String, String> producer = newProducer(settings)) {
                for (JsonNode message : batch.get("messages")) {
                    ProducerRecord<String, String> record =
                        new ProducerRecord<>(topic, message.get("key").textValue(), message.get("value").textValue());
                    for (JsonNode header : message.get("headers")) {
                        record.headers().add(header.get(0).textValue(), header.get(1).textValue().getBytes(StandardCharsets.UTF_8));
                    }
                    producer.send(record, (metadata, error) -> { if (error != null) error.printStackTrace(); });
                    produced++;
                }
            }
        }
        List<Object> read = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = newConsumer(Map.of())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            while (read.size() < produced) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    List<List<String>> headers = new ArrayList<>();
                    for (Header header : record.headers()) {
                        headers.add(List.of(header.key(), new String(header.value(), StandardCharsets.UTF_8)));
                    }
                    Map<String, Object> message = new LinkedHashMap<>();
                    message.put("key", record.key());
                    message.put("value", record.value());
                    message.put("headers", headers);
                    message.put("offset", record.offset());
                    read.add(message);
                }
            }
        }
        return read;
    }

    static class Member implements AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final List<String> received = new ArrayList<>();

        /** The assignor is one of the classic protocol's, by its class, or one of the broker's, by its name. */
        Member(String topic, String group, String assignor) {
            consumer = newConsumer(assignor.endsWith("Assignor")
                ? Map.of("group.id", group, "heartbeat.interval.ms", 100,
                    "partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor)
                : Map.of("group.id", group, "group.protocol", "consumer", "group.remote.assignor", assignor));
            consumer.subscribe(List.of(topic));
        }

        void poll() {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(10))) received.add(record.value());
        }

        Collection<Integer> assigned() {
            Collection<Integer> partitions = new TreeSet<>();
            for (TopicPartition partition : consumer.assignment()) partitions.add(partition.partition());
            return partitions;
        }

        @Override public void close() {
            consumer.close();
        }
    }

    static Object group(String topic, String group, String assignor, JsonNode script) throws Exception {
        createTopic(topic, 4);
        Map<String, Object> report = new LinkedHashMap<>();
        try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
            Member first = new Member(topic, group, assignor);
            waitFor("the first member", () -> { first.poll(); return first.assigned().size() == 4; });
            report.put("alone", first.assigned());
            Member second = new Member(topic, group, assignor);
            waitFor("the second member", () -> {
                first.poll();
                second.poll();
                return first.assigned().size() == 2 && second.assigned().size() == 2;
            });
            report.put("shared", List.of(first.assigned(), second.assigned()));
            JsonNode before = script.get("before");
            for (int i = 0; i < before.size(); i++) producer.send(new ProducerRecord<>(topic, i % 4, null, before.get(i).asText()));
            producer.flush();
            waitFor("the records", () -> {
                first.poll();
                second.poll();
                return first.received.size() + second.received.size() >= before.size();
            });
            first.consumer.commitSync();
            second.consumer.commitSync();
            second.close();
            waitFor("the rebalance", () -> { first.poll(); return first.assigned().size() == 4; });
            report.put("after_leave", first.assigned());
            report.put("received", List.of(first.received, second.received));
            first.close();
            JsonNode after = script.get("after");
            for (int i = 0; i < after.size(); i++) producer.send(new ProducerRecord<>(topic, i % 4, null, after.get(i).asText()));
            producer.flush();
            try (Member resumed = new Member(topic, group, assignor)) {
                waitFor("the rest", () -> { resumed.poll(); return resumed.received.size() >= after.size(); });
                report.put("resumed", resumed.received);
            }
        }
        return report;
    }

    /** Copies the script's values to another topic in transactions, of which it aborts every second one and goes back. */
    static Object transactions(String topic, String group, String protocol, JsonNode script) throws Exception {
        createTopic(topic, 4);
        String copy = topic + "-copy";
        createTopic(copy, 1);
        JsonNode before = script.get("before");
        try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
            for (int i = 0; i < before.size(); i++) producer.send(new ProducerRecord<>(topic, i % 4, null, before.get(i).asText()));
        }
        int aborted = 0;
        int committed = 0;
        Map<String, Object> settings = Map.of("group.id", group, "group.protocol", protocol, "max.poll.records", 5);
        try (KafkaProducer<String, String> producer = newProducer(Map.of("transactional.id", group));
             KafkaConsumer<String, String> consumer = newConsumer(settings)) {
            producer.initTransactions();
            consumer.subscribe(List.of(topic));
            for (int round = 0; committed < before.size(); ) {
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                Map<TopicPartition, Long> starts = new HashMap<>();
                List<String> values = new ArrayList<>();
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    starts.putIfAbsent(partition, record.offset());
                    offsets.put(partition, new OffsetAndMetadata(record.offset() + 1));
                    values.add(record.value());
                }
                if (values.isEmpty()) continue;
                producer.beginTransaction();
                for (String value : values) producer.send(new ProducerRecord<>(copy, value));
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (round++ % 2 == 0) {
                    producer.flush(); // what is aborted is to be in the log
                    producer.abortTransaction();
                    aborted++;
                    starts.forEach(consumer::seek);
                } else {
                    producer.commitTransaction();
                    committed += values.size();
                }
            }
        }
        Map<String, Object> report = new LinkedHashMap<>();
        try (Admin admin = newAdmin()) {
            TopicPartition partition = new TopicPartition(copy, 0);
            long end = offset(admin, partition, OffsetSpec.latest());
            long consumed = 0;
            for (OffsetAndMetadata offset : admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values()) {
                consumed += offset.offset();
            }
            report.put("committed", readUntil(partition, "read_committed", end));
            report.put("all", readUntil(partition, "read_uncommitted", end).size());
            report.put("aborted", aborted);
            report.put("end_offset", end);
            report.put("lag", before.size() - consumed);
        }
        return report;
    }

    static List<String> readUntil(TopicPartition partition, String isolationLevel, long end) {
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = newConsumer(Map.of("isolation.level", isolationLevel))) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) values.add(record.value());
            }
        }
        return values;
    }

    static List<Integer> partitions(Admin admin, String topic) throws Exception {
        TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        List<Integer> partitions = new ArrayList<>();
        description.partitions().forEach(partition -> partitions.add(partition.partition()));
        return partitions;
    }

    static String retention(Admin admin, ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value();
    }

    static long offset(Admin admin, TopicPartition partition, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    static boolean isListed(Admin admin, String group) throws Exception {
        return admin.listGroups().all().get().stream().anyMatch(listing -> listing.groupId().equals(group));
    }

    static Object admin(String topic, String group) throws Exception {
        Map<String, Object> report = new LinkedHashMap<>();
        try (Admin admin = newAdmin()) {
            List<String> brokers = new ArrayList<>();
            admin.describeCluster().nodes().get().forEach(node -> brokers.add(node.host() + ":" + node.port()));
            report.put("brokers", brokers);

            NewTopic definition = new NewTopic(topic, Optional.of(2), Optional.empty()).configs(Map.of("retention.ms", "60000"));
            admin.createTopics(List.of(definition)).all().get();
            try {
                admin.createTopics(List.of(definition)).all().get();
            } catch (ExecutionException refused) {
                report.put("create_again", Errors.forException(refused.getCause()).code());
            }
            waitFor("the topic", () -> admin.listTopics().names().get().contains(topic));
            report.put("partitions", partitions(admin, topic));
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            report.put("retention_ms", retention(admin, resource));
            AlterConfigOp change = new AlterConfigOp(new ConfigEntry("retention.ms", "50000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
            waitFor("the config", () -> !retention(admin, resource).equals("60000"));
            report.put("altered_retention_ms", retention(admin, resource));
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get();
            waitFor("the partition", () -> partitions(admin, topic).size() == 3);
            report.put("partitions_after_increase", partitions(admin, topic));

            try (KafkaProducer<String, String> producer = newProducer(Map.of())) {
                for (long timestamp : new long[] {1000, 3000, 2000}) {
                    producer.send(new ProducerRecord<>(topic, 0, timestamp, null, "value")).get();
                }
            }
            TopicPartition partition = new TopicPartition(topic, 0);
            report.put("earliest", offset(admin, partition, OffsetSpec.earliest()));
            report.put("latest", offset(admin, partition, OffsetSpec.latest()));
            report.put("max_timestamp", offset(admin, partition, OffsetSpec.maxTimestamp()));
            report.put("at_1500", offset(admin, partition, OffsetSpec.forTimestamp(1500)));
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(2))).all().get();
            report.put("earliest_after_delete", offset(admin, partition, OffsetSpec.earliest()));

            admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(3))).all().get();
            report.put("committed", admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition).offset());
            report.put("group_state", admin.describeConsumerGroups(List.of(group)).all().get().get(group).groupState().toString());
            report.put("group_listed", isListed(admin, group));
            admin.deleteConsumerGroups(List.of(group)).all().get();
            report.put("group_listed_after_delete", isListed(admin, group));

            admin.deleteTopics(List.of(topic)).all().get();
            waitFor("the deletion", () -> !admin.listTopics().names().get().contains(topic));
            report.put("topic_listed_after_delete", admin.listTopics().names().get().contains(topic));
        }
        return report;
    }
}
