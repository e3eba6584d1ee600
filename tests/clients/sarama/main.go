// Sarama as a client of the broker under test; tests/fixtures/client_scenarios.py says what each scenario does and prints.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type message struct {
	Key     *string     `json:"key"`
	Value   *string     `json:"value"`
	Headers [][2]string `json:"headers"`
	Offset  int64       `json:"offset"`
}

type script struct {
	Batches []struct {
		Codec    string    `json:"codec"`
		Messages []message `json:"messages"`
	} `json:"batches"`
	Before []string `json:"before"`
	After  []string `json:"after"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func encoder(text *string) sarama.Encoder {
	if text == nil {
		return nil
	}
	return sarama.StringEncoder(*text)
}

func textOf(data []byte) *string {
	if data == nil {
		return nil
	}
	text := string(data)
	return &text
}

// config speaks the API versions of the Kafka release that the command line names.
func config() *sarama.Config {
	version, err := sarama.ParseKafkaVersion(os.Args[len(os.Args)-1])
	check(err)
	config := sarama.NewConfig()
	config.Version = version
	config.ClientID = "sarama"
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.MaxWaitTime = 50 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 100 * time.Millisecond
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	return config
}

func brokers() []string { return []string{os.Args[1]} }

func newAdmin() sarama.ClusterAdmin {
	admin, err := sarama.NewClusterAdmin(brokers(), config())
	check(err)
	return admin
}

func newProducer(config *sarama.Config) sarama.SyncProducer {
	producer, err := sarama.NewSyncProducer(brokers(), config)
	check(err)
	return producer
}

func createTopic(topic string, partitions int32) {
	admin := newAdmin()
	check(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false))
	check(admin.Close())
}

func runCodecs(topic string, script script) any {
	createTopic(topic, 1)
	produced := 0
	for _, batch := range script.Batches {
		config := config()
		check(config.Producer.Compression.UnmarshalText([]byte(batch.Codec)))
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1
		producer := newProducer(config)
		var records []*sarama.ProducerMessage
		for _, message := range batch.Messages {
			record := &sarama.ProducerMessage{Topic: topic, Key: encoder(message.Key), Value: encoder(message.Value)}
			for _, header := range message.Headers {
				record.Headers = append(record.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
			}
			records = append(records, record)
		}
		check(producer.SendMessages(records))
		produced += len(records)
		check(producer.Close())
	}
	consumer, err := sarama.NewConsumer(brokers(), config())
	check(err)
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	check(err)
	read := []message{}
	for len(read) < produced {
		record := <-partition.Messages()
		headers := [][2]string{}
		for _, header := range record.Headers {
			headers = append(headers, [2]string{string(header.Key), string(header.Value)})
		}
		read = append(read, message{textOf(record.Key), textOf(record.Value), headers, record.Offset})
	}
	check(partition.Close())
	check(consumer.Close())
	return read
}

// member is a consumer in a group; lock guards what its goroutines learn.
type member struct {
	topic    string
	group    sarama.ConsumerGroup
	cancel   context.CancelFunc
	done     chan struct{}
	lock     sync.Mutex
	session  sarama.ConsumerGroupSession
	assigned []int32
	received []string
}

func join(topic, group string) *member {
	consumers, err := sarama.NewConsumerGroup(brokers(), group, config())
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{topic: topic, group: consumers, cancel: cancel, done: make(chan struct{}), received: []string{}}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := consumers.Consume(ctx, []string{topic}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	return m
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session, m.assigned = session, session.Claims()[m.topic]
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session, m.assigned = nil, nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for record := range claim.Messages() {
		m.lock.Lock()
		m.received = append(m.received, string(record.Value))
		session.MarkMessage(record, "read")
		m.lock.Unlock()
	}
	return nil
}

func (m *member) partitions() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.assigned)
}

func (m *member) values() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.received)
}

func (m *member) commit() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session.Commit()
}

func (m *member) leave() {
	m.cancel()
	<-m.done
	check(m.group.Close())
}

func waitFor(what string, condition func() bool) {
	deadline := time.Now().Add(30 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			check(fmt.Errorf("waiting for %s", what))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func runGroup(topic, group string, script script) any {
	createTopic(topic, 4)
	producer := newProducer(config())
	produce := func(values []string) {
		var records []*sarama.ProducerMessage
		for number, value := range values {
			partition := int32(number % 4)
			records = append(records, &sarama.ProducerMessage{Topic: topic, Partition: partition, Value: sarama.StringEncoder(value)})
		}
		check(producer.SendMessages(records))
	}
	first := join(topic, group)
	waitFor("the first member", func() bool { return len(first.partitions()) == 4 })
	alone := first.partitions()
	second := join(topic, group)
	waitFor("the second member", func() bool { return len(first.partitions()) == 2 && len(second.partitions()) == 2 })
	shared := [][]int32{first.partitions(), second.partitions()}
	produce(script.Before)
	waitFor("the records", func() bool { return len(first.values())+len(second.values()) >= len(script.Before) })
	first.commit()
	second.commit()
	second.leave()
	waitFor("the rebalance", func() bool { return len(first.partitions()) == 4 })
	afterLeave := first.partitions()
	received := [][]string{first.values(), second.values()}
	first.leave()
	produce(script.After)
	resumed := join(topic, group)
	waitFor("the rest", func() bool { return len(resumed.values()) >= len(script.After) })
	values := resumed.values()
	resumed.leave()
	check(producer.Close())
	return map[string]any{
		"alone": alone, "shared": shared, "received": received, "after_leave": afterLeave, "resumed": values,
	}
}

func runAdmin(topic, group string) any {
	client, err := sarama.NewClient(brokers(), config())
	check(err)
	admin, err := sarama.NewClusterAdminFromClient(client)
	check(err)
	report := map[string]any{}

	nodes, _, err := admin.DescribeCluster()
	check(err)
	names := []string{}
	for _, node := range nodes {
		names = append(names, node.Addr())
	}
	report["brokers"] = names

	retention := "60000"
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}
	check(admin.CreateTopic(topic, detail, false))
	var topicError *sarama.TopicError
	if errors.As(admin.CreateTopic(topic, detail, false), &topicError) {
		report["create_again"] = int16(topicError.Err)
	}
	partitions := func() []int32 {
		check(client.RefreshMetadata(topic))
		partitions, err := client.Partitions(topic)
		check(err)
		return partitions
	}
	report["partitions"] = partitions()
	resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}}
	current := func() string {
		entries, err := admin.DescribeConfig(resource)
		check(err)
		return entries[0].Value
	}
	report["retention_ms"] = current()
	retention = "50000"
	check(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &retention}, false))
	waitFor("the config", func() bool { return current() != "60000" })
	report["altered_retention_ms"] = current()
	check(admin.CreatePartitions(topic, 3, nil, false))
	waitFor("the partition", func() bool { return len(partitions()) == 3 })
	report["partitions_after_increase"] = partitions()

	producer := newProducer(config())
	for _, timestamp := range []int64{1000, 3000, 2000} {
		record := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("value"), Timestamp: time.UnixMilli(timestamp)}
		_, _, err := producer.SendMessage(record)
		check(err)
	}
	check(producer.Close())
	offset := func(timestamp int64) int64 {
		offset, err := client.GetOffset(topic, 0, timestamp)
		check(err)
		return offset
	}
	report["earliest"] = offset(sarama.OffsetOldest)
	report["latest"] = offset(sarama.OffsetNewest)
	report["at_1500"] = offset(1500)
	check(admin.DeleteRecords(topic, map[int32]int64{0: 2}))
	report["earliest_after_delete"] = offset(sarama.OffsetOldest)

	offsets, err := sarama.NewOffsetManagerFromClient(group, client)
	check(err)
	managed, err := offsets.ManagePartition(topic, 0)
	check(err)
	managed.MarkOffset(3, "by hand")
	offsets.Commit()
	managed.AsyncClose()
	check(offsets.Close())
	committed, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
	check(err)
	report["committed"] = committed.GetBlock(topic, 0).Offset
	groups, err := admin.DescribeConsumerGroups([]string{group})
	check(err)
	report["group_state"] = groups[0].State
	listed := func() bool {
		groups, err := admin.ListConsumerGroups()
		check(err)
		_, found := groups[group]
		return found
	}
	report["group_listed"] = listed()
	check(admin.DeleteConsumerGroup(group))
	report["group_listed_after_delete"] = listed()

	check(admin.DeleteTopic(topic))
	exists := func() bool {
		topics, err := admin.ListTopics()
		check(err)
		_, found := topics[topic]
		return found
	}
	waitFor("the deletion", func() bool { return !exists() })
	report["topic_listed_after_delete"] = exists()
	check(admin.Close())
	return report
}

func main() {
	var script script
	check(json.NewDecoder(os.Stdin).Decode(&script))
	var report any
	switch topic := os.Args[3]; os.Args[2] {
	case "codecs":
		report = runCodecs(topic, script)
	case "group":
		report = runGroup(topic, os.Args[4], script)
	case "admin":
		report = runAdmin(topic, os.Args[4])
	}
	check(json.NewEncoder(os.Stdout).Encode(report))
}
