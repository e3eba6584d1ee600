import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Calls every method of Admin and prints a line for each answer: what came back, sorted, or the error and its text.
 * Arguments: bootstrap servers, a prefix for all names.
 */
public class AdminMethods {
    static final Set<String> called = new TreeSet<>();

    static Admin watched(Admin admin) {
        return (Admin) Proxy.newProxyInstance(Admin.class.getClassLoader(), new Class<?>[] {Admin.class}, (proxy, method, arguments) -> {
            called.add(method.getName());
            try {
                return method.invoke(admin, arguments);
            } catch (InvocationTargetException thrown) {
                throw thrown.getCause();
            }
        });
    }

    static void show(String label, Callable<?> call) {
        String answer;
        try {
            answer = text(call.call());
        } catch (Exception thrown) {
            Throwable cause = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            answer = cause.getClass().getSimpleName() + ": " + cause.getMessage();
        }
        System.out.println(label + " = " + answer.replace("\n", " "));
    }

    /** Collections and maps in one order. */
    static String text(Object value) {
        if (value instanceof Map<?, ?> map) {
            Map<String, String> sorted = new TreeMap<>();
            map.forEach((key, each) -> sorted.put(text(key), text(each)));
            return sorted.toString();
        }
        if (value instanceof Set<?> || value instanceof Collection<?>) {
            return ((Collection<?>) value).stream().map(AdminMethods::text).sorted().collect(Collectors.toList()).toString();
        }
        if (value instanceof Optional<?> optional) {
            return optional.map(AdminMethods::text).orElse("nothing");
        }
        if (value instanceof byte[] bytes) {
            return bytes.length + " bytes";
        }
        return String.valueOf(value);
    }

    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0];
        String prefix = arguments[1];
        Admin admin = watched(Admin.create(Map.of("bootstrap.servers", servers)));
        String topic = prefix + "-topic";
        String group = prefix + "-group";
        String nothing = prefix + "-nothing";
        String user = prefix + "-user";
        long began = System.currentTimeMillis(); // records of long ago might be deleted as expired at any moment
        TopicPartition partition = new TopicPartition(topic, 0);
        TopicPartition absent = new TopicPartition(nothing, 0);
        int broker = admin.describeCluster().nodes().get().iterator().next().id();

        // topics
        show("createTopics", () -> {
            CreateTopicsResult result = admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "12345678"))));
            return result.numPartitions(topic).get() + " " + result.replicationFactor(topic).get() + " " + result.config(topic).get().get("retention.ms").value();
        });
        show("createTopics again", () -> admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get());
        show("createTopics invalid name", () -> admin.createTopics(List.of(new NewTopic("a b", 2, (short) 1))).all().get());
        show("createTopics three replicas", () -> admin.createTopics(List.of(new NewTopic(nothing, 2, (short) 3))).all().get());
        show("createTopics invalid config", () -> admin.createTopics(List.of(new NewTopic(nothing, 2, (short) 1).configs(Map.of("retention.ms", "x")))).all().get());
        show("createTopics validate only", () -> admin.createTopics(List.of(new NewTopic(nothing, 2, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get());
        Thread.sleep(300);
        show("listTopics", () -> admin.listTopics().names().get().stream().filter(name -> name.startsWith(prefix)).collect(Collectors.toSet()));
        show("listTopics listings", () -> admin.listTopics(new ListTopicsOptions().listInternal(true)).listings().get().stream().filter(each -> each.name().startsWith(prefix)).collect(Collectors.toSet()));
        show("describeTopics", () -> admin.describeTopics(List.of(topic), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get());
        show("describeTopics absent", () -> admin.describeTopics(List.of(nothing)).allTopicNames().get());
        show("describeTopics by id absent", () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).allTopicIds().get());
        show("createPartitions", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all().get());
        show("createPartitions fewer", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(1))).all().get());
        show("createPartitions absent", () -> admin.createPartitions(Map.of(nothing, NewPartitions.increaseTo(3))).all().get());
        Thread.sleep(300);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", servers, "enable.idempotence", false), new StringSerializer(), new StringSerializer())) {
            for (int number = 0; number < 10; number++) {
                producer.send(new ProducerRecord<>(topic, 0, began + number, null, "value " + number)).get();
            }
        }
        show("listOffsets", () -> {
            Map<String, String> offsets = new TreeMap<>();
            for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(), OffsetSpec.forTimestamp(began + 4), OffsetSpec.forTimestamp(began + 10_000_000), OffsetSpec.earliestLocal(), OffsetSpec.latestTiered(), OffsetSpec.earliestPendingUpload())) {
                String kind = spec.getClass().getSimpleName();
                offsets.merge(kind, text(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get()), (one, other) -> one + " " + other);
            }
            return offsets;
        });
        show("listOffsets absent", () -> admin.listOffsets(Map.of(absent, OffsetSpec.latest()), new ListOffsetsOptions().timeoutMs(800)).all().get());
        show("deleteRecords", () -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(partition).get().lowWatermark());
        show("deleteRecords behind the end", () -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).all().get());
        show("describeProducers", () -> admin.describeProducers(List.of(partition)).all().get());

        // configs
        ConfigResource topicResource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        show("describeConfigs", () -> admin.describeConfigs(List.of(topicResource), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(topicResource).entries());
        show("describeConfigs absent", () -> admin.describeConfigs(List.of(new ConfigResource(ConfigResource.Type.TOPIC, nothing))).all().get());
        show("incrementalAlterConfigs", () -> admin.incrementalAlterConfigs(Map.of(topicResource, List.of(
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND),
            new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all().get());
        show("incrementalAlterConfigs invalid", () -> admin.incrementalAlterConfigs(Map.of(topicResource, List.of(new AlterConfigOp(new ConfigEntry("min.insync.replicas", "0"), AlterConfigOp.OpType.SET)))).all().get());
        Thread.sleep(300);
        show("describeConfigs altered", () -> admin.describeConfigs(List.of(topicResource)).all().get().get(topicResource).entries().stream().filter(entry -> !entry.isDefault()).collect(Collectors.toSet()));
        ConfigResource groupResource = new ConfigResource(ConfigResource.Type.GROUP, group);
        show("incrementalAlterConfigs group", () -> admin.incrementalAlterConfigs(Map.of(groupResource, List.of(new AlterConfigOp(new ConfigEntry("consumer.session.timeout.ms", "50000"), AlterConfigOp.OpType.SET)))).all().get());
        ConfigResource metrics = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, prefix + "-metrics");
        show("incrementalAlterConfigs client metrics", () -> admin.incrementalAlterConfigs(Map.of(metrics, List.of(new AlterConfigOp(new ConfigEntry("interval.ms", "5000"), AlterConfigOp.OpType.SET)))).all().get());
        Thread.sleep(300);
        show("describeConfigs group", () -> admin.describeConfigs(List.of(groupResource)).all().get().get(groupResource).entries());
        show("listConfigResources", () -> admin.listConfigResources().all().get().stream().filter(each -> each.name().startsWith(prefix)).collect(Collectors.toSet()));
        show("listConfigResources topics", () -> admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions()).all().get().stream().filter(each -> each.name().startsWith(prefix)).collect(Collectors.toSet()));
        show("listClientMetricsResources", () -> admin.listClientMetricsResources().all().get().stream().filter(each -> each.name().startsWith(prefix)).map(each -> each.name()).collect(Collectors.toSet()));

        // groups
        show("alterConsumerGroupOffsets", () -> admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(5, Optional.of(0), "here"))).all().get());
        show("alterConsumerGroupOffsets absent topic", () -> admin.alterConsumerGroupOffsets(group, Map.of(absent, new OffsetAndMetadata(5)), new AlterConsumerGroupOffsetsOptions().timeoutMs(800)).all().get());
        show("listConsumerGroupOffsets", () -> admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
        show("listConsumerGroupOffsets absent", () -> admin.listConsumerGroupOffsets(nothing).partitionsToOffsetAndMetadata().get());
        show("listGroups", () -> admin.listGroups().all().get().stream().filter(each -> each.groupId().startsWith(prefix)).collect(Collectors.toSet()));
        show("listGroups classic", () -> admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))).all().get().stream().filter(each -> each.groupId().startsWith(prefix)).collect(Collectors.toSet()));
        show("listConsumerGroups", () -> admin.listConsumerGroups().all().get().stream().filter(each -> each.groupId().startsWith(prefix)).collect(Collectors.toSet()));
        show("describeConsumerGroups", () -> admin.describeConsumerGroups(List.of(group), new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all().get());
        show("describeConsumerGroups absent", () -> admin.describeConsumerGroups(List.of(nothing)).all().get());
        show("describeClassicGroups", () -> admin.describeClassicGroups(List.of(group)).all().get());
        show("removeMembersFromConsumerGroup", () -> admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("instance")))).all().get());
        show("deleteConsumerGroupOffsets", () -> admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get());
        show("deleteConsumerGroupOffsets absent group", () -> admin.deleteConsumerGroupOffsets(nothing, Set.of(partition)).all().get());
        show("deleteConsumerGroups", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        show("deleteConsumerGroups absent", () -> admin.deleteConsumerGroups(List.of(nothing)).all().get());
        String share = prefix + "-share";
        show("alterShareGroupOffsets", () -> admin.alterShareGroupOffsets(share, Map.of(partition, 6L)).all().get());
        show("describeShareGroups", () -> admin.describeShareGroups(List.of(share)).all().get());
        show("describeShareGroups absent", () -> admin.describeShareGroups(List.of(nothing)).all().get());
        show("listShareGroupOffsets", () -> admin.listShareGroupOffsets(Map.of(share, new ListShareGroupOffsetsSpec().topicPartitions(List.of(partition)))).partitionsToOffsetInfo(share).get());
        show("deleteShareGroupOffsets", () -> admin.deleteShareGroupOffsets(share, Set.of(topic)).all().get());
        show("deleteShareGroups", () -> admin.deleteShareGroups(List.of(share)).all().get());
        show("deleteShareGroups absent", () -> admin.deleteShareGroups(List.of(nothing)).all().get());
        show("describeStreamsGroups absent", () -> admin.describeStreamsGroups(List.of(nothing)).all().get());
        show("alterStreamsGroupOffsets", () -> admin.alterStreamsGroupOffsets(prefix + "-streams", Map.of(partition, new OffsetAndMetadata(3))).all().get());
        show("listStreamsGroupOffsets", () -> admin.listStreamsGroupOffsets(Map.of(prefix + "-streams", new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(prefix + "-streams").get());
        show("deleteStreamsGroupOffsets", () -> admin.deleteStreamsGroupOffsets(prefix + "-streams", Set.of(partition)).all().get());
        show("deleteStreamsGroups", () -> admin.deleteStreamsGroups(List.of(prefix + "-streams", nothing)).all().get());

        // transactions
        String transactional = prefix + "-transactional";
        Properties properties = new Properties();
        properties.putAll(Map.of("bootstrap.servers", servers, "transactional.id", transactional));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 1, null, "key", "value")).get();
            show("describeTransactions", () -> admin.describeTransactions(List.of(transactional)).all().get());
            show("describeProducers open", () -> admin.describeProducers(List.of(new TopicPartition(topic, 1))).all().get());
            show("listTransactions", () -> admin.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern(prefix + ".*")).all().get());
            show("forceTerminateTransaction", () -> admin.forceTerminateTransaction(transactional).result().get());
            show("fenceProducers", () -> {
                FenceProducersResult result = admin.fenceProducers(List.of(transactional));
                result.all().get();
                return result.epochId(transactional).get() > 0;
            });
            show("a fenced producer", () -> {
                producer.commitTransaction();
                return "committed";
            });
        } catch (Exception thrown) {
            System.out.println("closing a fenced producer = " + thrown.getClass().getSimpleName());
        }
        show("describeTransactions absent", () -> admin.describeTransactions(List.of(nothing)).all().get());
        show("abortTransaction", () -> admin.abortTransaction(new AbortTransactionSpec(partition, 4242, (short) 0, 0)).all().get());

        // cluster
        show("describeCluster", () -> {
            DescribeClusterResult result = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true).includeFencedBrokers(true));
            return result.nodes().get().size() + " " + result.controller().get().id() + " " + text(result.authorizedOperations().get());
        });
        show("describeFeatures", () -> {
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            return text(features.supportedFeatures());
        });
        show("updateFeatures", () -> admin.updateFeatures(Map.of("metadata.version", new FeatureUpdate((short) 999, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions().validateOnly(true)).all().get());
        show("updateFeatures unknown", () -> admin.updateFeatures(Map.of("foo", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE)), new UpdateFeaturesOptions()).all().get());
        show("describeMetadataQuorum", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            return quorum.leaderId() + " " + quorum.voters().stream().map(each -> each.replicaId()).collect(Collectors.toList()) + " " + quorum.observers();
        });
        show("describeLogDirs", () -> {
            ReplicaInfo replica = admin.describeLogDirs(List.of(broker)).allDescriptions().get().get(broker).values().iterator().next().replicaInfos().get(partition);
            return replica.size() + " " + replica.offsetLag() + " " + replica.isFuture();
        });
        show("describeReplicaLogDirs", () -> {
            TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, broker);
            return admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaOffsetLag();
        });
        show("alterReplicaLogDirs", () -> admin.alterReplicaLogDirs(Map.of(new TopicPartitionReplica(topic, 0, broker), "/nowhere")).all().get());
        show("electLeaders", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(partition, absent)).partitions().get());
        show("alterPartitionReassignments", () -> admin.alterPartitionReassignments(Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(broker))))).all().get());
        show("alterPartitionReassignments absent broker", () -> admin.alterPartitionReassignments(Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(77))))).all().get());
        show("alterPartitionReassignments cancel", () -> admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all().get());
        show("listPartitionReassignments", () -> admin.listPartitionReassignments(Set.of(partition)).reassignments().get());
        show("unregisterBroker absent", () -> admin.unregisterBroker(99).all().get());
        show("unregisterController absent", () -> admin.unregisterController(99).all().get());
        show("unregisterController itself", () -> admin.unregisterController(broker).all().get());
        show("removeRaftVoter absent", () -> admin.removeRaftVoter(77, new Uuid(5, 6)).all().get());
        show("addRaftVoter itself", () -> admin.addRaftVoter(broker, new Uuid(5, 6), Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 9))).all().get());
        show("clientInstanceId", () -> admin.clientInstanceId(Duration.ofSeconds(1)));

        // quotas and security
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of("client-id", prefix + "-client"));
        show("alterClientQuotas", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all().get());
        show("alterClientQuotas invalid", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("nonsense", 1.0))))).all().get());
        Thread.sleep(300);
        show("describeClientQuotas", () -> admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofEntity("client-id", prefix + "-client")))).entities().get());
        show("alterUserScramCredentials", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192), "secret"))).all().get());
        show("alterUserScramCredentials absent", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(nothing, ScramMechanism.SCRAM_SHA_512))).all().get());
        Thread.sleep(300);
        show("describeUserScramCredentials", () -> admin.describeUserScramCredentials(List.of(user)).all().get());
        show("describeUserScramCredentials absent", () -> admin.describeUserScramCredentials(List.of(nothing)).all().get());
        AclBinding acl = new AclBinding(new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL), new AccessControlEntry("User:" + user, "*", AclOperation.READ, AclPermissionType.ALLOW));
        show("createAcls", () -> admin.createAcls(List.of(acl)).all().get());
        show("describeAcls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
        show("deleteAcls", () -> admin.deleteAcls(List.of(AclBindingFilter.ANY)).all().get());
        show("createDelegationToken", () -> admin.createDelegationToken().delegationToken().get());
        show("renewDelegationToken", () -> admin.renewDelegationToken(new byte[] {1}).expiryTimestamp().get());
        show("expireDelegationToken", () -> admin.expireDelegationToken(new byte[] {1}).expiryTimestamp().get());
        show("describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens().get());

        show("deleteTopics", () -> admin.deleteTopics(List.of(topic)).all().get());
        show("deleteTopics absent", () -> admin.deleteTopics(List.of(nothing)).all().get());
        show("deleteTopics by id absent", () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).all().get());

        admin.incrementalAlterConfigs(Map.of(metrics, List.of(new AlterConfigOp(new ConfigEntry("interval.ms", null), AlterConfigOp.OpType.DELETE)), groupResource, List.of(new AlterConfigOp(new ConfigEntry("consumer.session.timeout.ms", null), AlterConfigOp.OpType.DELETE)))).all().get();
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).all().get();
        admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get();
        show("metrics", () -> !admin.metrics().isEmpty());
        admin.close();
        Set<String> missed = new TreeSet<>();
        for (var method : Admin.class.getMethods()) {
            if (!Modifier.isStatic(method.getModifiers())) {
                missed.add(method.getName());
            }
        }
        missed.removeAll(called);
        System.out.println("methods that were not called = " + missed);
    }
}
