// franz-go as a client of the broker under test; tests/fixtures/client_scenarios.py says what each scenario does and prints.
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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func bytesOf(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

func textOf(data []byte) *string {
	if data == nil {
		return nil
	}
	text := string(data)
	return &text
}

func newClient(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(os.Args[1]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(50 * time.Millisecond),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, options...)...)
	check(err)
	return client
}

func createTopic(ctx context.Context, topic string, partitions int32) {
	client := newClient()
	defer client.Close()
	_, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic)
	check(err)
}

func runCodecs(ctx context.Context, topic string, script script) any {
	createTopic(ctx, topic, 1)
	produced := 0
	for _, batch := range script.Batches {
		client := newClient(kgo.ProducerBatchCompression(codecs[batch.Codec]), kgo.ProducerLinger(50*time.Millisecond))
		var records []*kgo.Record
		for _, message := range batch.Messages {
			record := &kgo.Record{Topic: topic, Key: bytesOf(message.Key), Value: bytesOf(message.Value)}
			for _, header := range message.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: header[0], Value: []byte(header[1])})
			}
			records = append(records, record)
		}
		check(client.ProduceSync(ctx, records...).FirstErr())
		produced += len(records)
		client.Close()
	}
	client := newClient(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	read := []message{}
	for len(read) < produced {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			headers := [][2]string{}
			for _, header := range record.Headers {
				headers = append(headers, [2]string{header.Key, string(header.Value)})
			}
			read = append(read, message{textOf(record.Key), textOf(record.Value), headers, record.Offset})
		})
	}
	return read
}

// member is a consumer in a group; a goroutine polls it, and lock guards what the goroutine learns.
type member struct {
	client   *kgo.Client
	lock     sync.Mutex
	assigned map[int32]bool
	received []string
	done     chan struct{}
}

func join(ctx context.Context, topic, group string, balancer kgo.GroupBalancer) *member {
	m := &member{assigned: map[int32]bool{}, received: []string{}, done: make(chan struct{})}
	change := func(held bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			for _, partition := range changed[topic] {
				if held {
					m.assigned[partition] = true
				} else {
					delete(m.assigned, partition)
				}
			}
		}
	}
	m.client = newClient(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(100*time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	)
	go func() {
		defer close(m.done)
		for {
			fetches := m.client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			m.lock.Lock()
			fetches.EachRecord(func(record *kgo.Record) { m.received = append(m.received, string(record.Value)) })
			m.lock.Unlock()
		}
	}()
	return m
}

func (m *member) partitions() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	partitions := []int32{}
	for partition := range m.assigned {
		partitions = append(partitions, partition)
	}
	slices.Sort(partitions)
	return partitions
}

func (m *member) values() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	return slices.Clone(m.received)
}

func (m *member) leave() {
	m.client.Close()
	<-m.done
}

func waitFor(ctx context.Context, what string, condition func() bool) {
	for !condition() {
		if ctx.Err() != nil {
			check(fmt.Errorf("waiting for %s: %w", what, ctx.Err()))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func runGroup(ctx context.Context, topic, group, strategy string, script script) any {
	createTopic(ctx, topic, 4)
	balancers := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "sticky": kgo.StickyBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	producer := newClient()
	defer producer.Close()
	produce := func(values []string) {
		for number, value := range values {
			record := &kgo.Record{Topic: topic, Partition: int32(number % 4), Value: []byte(value)}
			check(producer.ProduceSync(ctx, record).FirstErr())
		}
	}
	join := func() *member { return join(ctx, topic, group, balancers[strategy]) }

	first := join()
	waitFor(ctx, "the first member", func() bool { return len(first.partitions()) == 4 })
	alone := first.partitions()
	second := join()
	waitFor(ctx, "the second member", func() bool { return len(first.partitions()) == 2 && len(second.partitions()) == 2 })
	shared := [][]int32{first.partitions(), second.partitions()}
	produce(script.Before)
	waitFor(ctx, "the records", func() bool { return len(first.values())+len(second.values()) >= len(script.Before) })
	check(first.client.CommitUncommittedOffsets(ctx))
	check(second.client.CommitUncommittedOffsets(ctx))
	second.leave()
	waitFor(ctx, "the rebalance", func() bool { return len(first.partitions()) == 4 })
	afterLeave := first.partitions()
	received := [][]string{first.values(), second.values()}
	first.leave()
	produce(script.After)
	resumed := join()
	waitFor(ctx, "the rest", func() bool { return len(resumed.values()) >= len(script.After) })
	values := resumed.values()
	resumed.leave()
	return map[string]any{
		"alone": alone, "shared": shared, "received": received, "after_leave": afterLeave, "resumed": values,
	}
}

// runTransactions copies the script's values from one topic to another in transactions, of which every second one is aborted.
func runTransactions(ctx context.Context, topic, group string, script script) any {
	createTopic(ctx, topic, 4)
	createTopic(ctx, topic+"-copy", 1)
	producer := newClient()
	defer producer.Close()
	for number, value := range script.Before {
		record := &kgo.Record{Topic: topic, Partition: int32(number % 4), Value: []byte(value)}
		check(producer.ProduceSync(ctx, record).FirstErr())
	}
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(os.Args[1]), kgo.TransactionalID(group), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond), kgo.RequireStableFetchOffsets(), kgo.HeartbeatInterval(100*time.Millisecond),
	)
	check(err)
	committed, aborted := 0, 0
	for attempt := 0; committed < len(script.Before); attempt++ {
		fetches := session.PollRecords(ctx, 10)
		check(fetches.Err())
		if fetches.NumRecords() == 0 {
			continue
		}
		check(session.Begin())
		copies := []*kgo.Record{}
		fetches.EachRecord(func(record *kgo.Record) {
			copies = append(copies, &kgo.Record{Topic: topic + "-copy", Value: record.Value})
		})
		check(session.ProduceSync(ctx, copies...).FirstErr())
		done, err := session.End(ctx, kgo.TransactionEndTry(attempt%2 == 1))
		check(err)
		if done {
			committed += fetches.NumRecords()
		} else {
			aborted++
		}
	}
	session.Close()
	read := func(isolation kgo.IsolationLevel, atLeast int) []string {
		client := newClient(
			kgo.ConsumeTopics(topic+"-copy"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(isolation),
		)
		defer client.Close()
		values := []string{}
		for len(values) < atLeast && ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
		}
		return values
	}
	end, err := kadm.NewClient(producer).ListEndOffsets(ctx, topic+"-copy")
	check(err)
	offsets, err := kadm.NewClient(producer).FetchOffsets(ctx, group)
	check(err)
	lag := int64(len(script.Before))
	offsets.Each(func(offset kadm.OffsetResponse) { lag -= offset.At })
	return map[string]any{
		"committed":  read(kgo.ReadCommitted(), committed),
		"all":        len(read(kgo.ReadUncommitted(), committed+1)),
		"aborted":    aborted,
		"end_offset": end[topic+"-copy"][0].Offset,
		"lag":        lag,
	}
}

func errorCode(err error) int16 {
	var kafkaError *kerr.Error
	if errors.As(err, &kafkaError) {
		return kafkaError.Code
	}
	check(err)
	return 0
}

func runAdmin(ctx context.Context, topic, group string) any {
	client := newClient()
	defer client.Close()
	admin := kadm.NewClient(client)
	report := map[string]any{}

	brokers, err := admin.ListBrokers(ctx)
	check(err)
	names := []string{}
	for _, broker := range brokers {
		names = append(names, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	report["brokers"] = names

	_, err = admin.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("60000")}, topic)
	check(err)
	_, err = admin.CreateTopic(ctx, 2, 1, nil, topic)
	report["create_again"] = errorCode(err)

	partitions := func() []int32 {
		topics, err := admin.ListTopics(ctx, topic)
		check(err)
		return topics[topic].Partitions.Numbers()
	}
	waitFor(ctx, "the topic", func() bool { return len(partitions()) == 2 })
	report["partitions"] = partitions()
	retention := func() string {
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		check(err)
		for _, config := range configs[0].Configs {
			if config.Key == "retention.ms" {
				return *config.Value
			}
		}
		return ""
	}
	report["retention_ms"] = retention()
	changes := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("50000")}}
	altered, err := admin.AlterTopicConfigs(ctx, changes, topic)
	check(err)
	check(altered[0].Err)
	waitFor(ctx, "the config", func() bool { return retention() != "60000" })
	report["altered_retention_ms"] = retention()
	increased, err := admin.UpdatePartitions(ctx, 3, topic)
	check(err)
	check(increased.Error())
	waitFor(ctx, "the partition", func() bool { return len(partitions()) == 3 })
	report["partitions_after_increase"] = partitions()

	for _, timestamp := range []int64{1000, 3000, 2000} {
		record := &kgo.Record{Topic: topic, Value: []byte("value"), Timestamp: time.UnixMilli(timestamp)}
		check(client.ProduceSync(ctx, record).FirstErr())
	}
	offset := func(listed kadm.ListedOffsets, err error) int64 {
		check(err)
		check(listed.Error())
		return listed[topic][0].Offset
	}
	report["earliest"] = offset(admin.ListStartOffsets(ctx, topic))
	report["latest"] = offset(admin.ListEndOffsets(ctx, topic))
	report["max_timestamp"] = offset(admin.ListMaxTimestampOffsets(ctx, topic))
	report["at_1500"] = offset(admin.ListOffsetsAfterMilli(ctx, 1500, topic))
	var before kadm.Offsets
	before.AddOffset(topic, 0, 2, -1)
	deleted, err := admin.DeleteRecords(ctx, before)
	check(err)
	check(deleted.Error())
	report["earliest_after_delete"] = offset(admin.ListStartOffsets(ctx, topic))

	var commit kadm.Offsets
	commit.AddOffset(topic, 0, 3, 0)
	check(admin.CommitAllOffsets(ctx, group, commit))
	committed, err := admin.FetchOffsets(ctx, group)
	check(err)
	report["committed"] = committed[topic][0].At
	described, err := admin.DescribeGroups(ctx, group)
	check(err)
	report["group_state"] = described[group].State
	listed := func() bool {
		groups, err := admin.ListGroups(ctx)
		check(err)
		return slices.Contains(groups.Groups(), group)
	}
	report["group_listed"] = listed()
	_, err = admin.DeleteGroup(ctx, group)
	check(err)
	report["group_listed_after_delete"] = listed()

	_, err = admin.DeleteTopic(ctx, topic)
	check(err)
	exists := func() bool {
		fresh := newClient() // clients answer from metadata that they have got lately
		defer fresh.Close()
		topics, err := kadm.NewClient(fresh).ListTopics(ctx)
		check(err)
		return topics.Has(topic)
	}
	waitFor(ctx, "the deletion", func() bool { return !exists() })
	report["topic_listed_after_delete"] = exists()
	return report
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	var script script
	check(json.NewDecoder(os.Stdin).Decode(&script))
	var report any
	switch topic := os.Args[3]; os.Args[2] {
	case "codecs":
		report = runCodecs(ctx, topic, script)
	case "group":
		report = runGroup(ctx, topic, os.Args[4], os.Args[5], script)
	case "transactions":
		report = runTransactions(ctx, topic, os.Args[4], script)
	case "admin":
		report = runAdmin(ctx, topic, os.Args[4])
	}
	check(json.NewEncoder(os.Stdout).Encode(report))
}
