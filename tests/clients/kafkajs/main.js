// KafkaJS as a client of the broker under test; tests/fixtures/client_scenarios.py says what each scenario does and prints.
'use strict'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
const TOPIC_ALREADY_EXISTS = 36

const [bootstrapServers, scenario, topic, group] = process.argv.slice(2)
const logCreator = () => ({ log }) => console.error(JSON.stringify(log))
const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrapServers], logLevel: logLevel.WARN, logCreator })

const text = buffer => (buffer === null ? null : buffer.toString())

async function waitFor(what, condition) {
  const deadline = Date.now() + 30000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waiting for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

async function withAdmin(use) {
  const admin = kafka.admin()
  await admin.connect()
  const result = await use(admin)
  await admin.disconnect()
  return result
}

async function withProducer(use) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
  await producer.connect()
  await use(producer)
  await producer.disconnect()
}

function createTopic(numPartitions) {
  return withAdmin(admin => admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] }))
}

// A repeated header is an array of values under its name.
function headersOf(pairs) {
  const headers = {}
  for (const [name, value] of pairs) headers[name] = name in headers ? [headers[name], value].flat() : value
  return headers
}

function pairsOf(headers) {
  return Object.entries(headers || {}).flatMap(([name, values]) => [values].flat().map(value => [name, text(value)]))
}

async function runCodecs(script) {
  await createTopic(1)
  let produced = 0
  for (const { codec, messages } of script.batches) {
    await withProducer(producer =>
      producer.send({
        topic,
        compression: CODECS[codec],
        messages: messages.map(({ key, value, headers }) => ({ key, value, partition: 0, headers: headersOf(headers) })),
      })
    )
    produced += messages.length
  }
  const read = []
  const consumer = kafka.consumer({ groupId: `${topic}-reader`, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { key, value, headers, offset } }) => {
      read.push({ key: text(key), value: text(value), headers: pairsOf(headers), offset: Number(offset) })
    },
  })
  await waitFor('the records', () => read.length >= produced)
  await consumer.disconnect()
  return read
}

class Member {
  constructor() {
    this.received = []
    this.assigned = []
    this.positions = new Map()
    this.consumer = kafka.consumer({ groupId: group, heartbeatInterval: 100, maxWaitTimeInMs: 50 })
    this.consumer.on(this.consumer.events.GROUP_JOIN, ({ payload }) => {
      this.assigned = payload.memberAssignment[topic] || []
    })
  }

  async join() {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        this.received.push(text(message.value))
        this.positions.set(partition, String(Number(message.offset) + 1))
      },
    })
    return this
  }

  async commit() {
    await this.consumer.commitOffsets([...this.positions].map(([partition, offset]) => ({ topic, partition, offset })))
  }
}

async function runGroup(script) {
  await createTopic(4)
  const produce = values =>
    withProducer(producer =>
      producer.send({ topic, messages: values.map((value, number) => ({ value, partition: number % 4 })) })
    )
  const first = await new Member().join()
  await waitFor('the first member', () => first.assigned.length === 4)
  const alone = first.assigned
  const second = await new Member().join()
  await waitFor('the second member', () => first.assigned.length === 2 && second.assigned.length === 2)
  const shared = [first.assigned, second.assigned]
  await produce(script.before)
  await waitFor('the records', () => first.received.length + second.received.length >= script.before.length)
  await first.commit()
  await second.commit()
  await second.consumer.disconnect()
  await waitFor('the rebalance', () => first.assigned.length === 4)
  const afterLeave = first.assigned
  await first.consumer.disconnect()
  await produce(script.after)
  const resumed = await new Member().join()
  await waitFor('the rest', () => resumed.received.length >= script.after.length)
  await resumed.consumer.disconnect()
  return {
    alone,
    shared,
    received: [first.received, second.received],
    after_leave: afterLeave,
    resumed: resumed.received,
  }
}

// Copies the script's values to another topic in transactions of ten, and aborts each one once before it commits it.
async function runTransactions(script) {
  await createTopic(4)
  const copy = `${topic}-copy`
  await withAdmin(admin => admin.createTopics({ topics: [{ topic: copy, numPartitions: 1, replicationFactor: 1 }] }))
  await withProducer(producer =>
    producer.send({ topic, messages: script.before.map((value, number) => ({ value, partition: number % 4 })) })
  )
  const producer = kafka.producer({
    transactionalId: group,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const consumer = kafka.consumer({ groupId: group, heartbeatInterval: 100, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let committed = 0
  let aborted = 0
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch: { partition, messages }, resolveOffset }) => {
      const messagesCopied = messages.map(({ value }) => ({ value, partition: 0 }))
      const offset = String(Number(messages[messages.length - 1].offset) + 1)
      const offsets = { consumerGroupId: group, topics: [{ topic, partitions: [{ partition, offset }] }] }
      for (const end of ['abort', 'commit']) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: copy, messages: messagesCopied })
        await transaction.sendOffsets(offsets)
        await transaction[end]()
      }
      resolveOffset(messages[messages.length - 1].offset)
      aborted += 1
      committed += messages.length
    },
  })
  await waitFor('the copies', () => committed >= script.before.length)
  await consumer.disconnect()
  await producer.disconnect()

  const read = async (readUncommitted, count) => {
    const values = []
    const reader = kafka.consumer({ groupId: `${group}-${readUncommitted}`, readUncommitted, maxWaitTimeInMs: 50 })
    await reader.connect()
    await reader.subscribe({ topic: copy, fromBeginning: true })
    await reader.run({ eachMessage: async ({ message }) => values.push(text(message.value)) })
    await waitFor('the copies to be read', () => values.length >= count)
    await reader.disconnect()
    return values
  }
  return withAdmin(async admin => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    const [end] = await admin.fetchTopicOffsets(copy)
    return {
      committed: await read(false, committed),
      all: (await read(true, 2 * committed)).length,
      aborted,
      end_offset: Number(end.offset),
      lag: script.before.length - partitions.reduce((sum, { offset }) => sum + Number(offset), 0),
    }
  })
}

function runAdmin() {
  return withAdmin(async admin => {
    const report = {}
    const { brokers } = await admin.describeCluster()
    report.brokers = brokers.map(({ host, port }) => `${host}:${port}`)

    const configEntries = [{ name: 'retention.ms', value: '60000' }]
    const definition = { topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] }
    await admin.createTopics(definition)
    // KafkaJS answers false instead of throwing when the topic is there already, and only then.
    report.create_again = (await admin.createTopics(definition)) ? 0 : TOPIC_ALREADY_EXISTS

    const partitions = async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0].partitions.map(({ partitionId }) => partitionId).sort()
    }
    report.partitions = await partitions()
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
    const retention = async () => {
      const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }] })
      return resources[0].configEntries[0].configValue
    }
    report.retention_ms = await retention()
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '50000' }] }] })
    await waitFor('the config', async () => (await retention()) !== '60000')
    report.altered_retention_ms = await retention()
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await waitFor('the partition', async () => (await partitions()).length === 3)
    report.partitions_after_increase = await partitions()

    await withProducer(async producer => {
      for (const timestamp of ['1000', '3000', '2000']) {
        await producer.send({ topic, messages: [{ value: 'value', partition: 0, timestamp }] })
      }
    })
    const offsets = async () => (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)
    report.earliest = Number((await offsets()).low)
    report.latest = Number((await offsets()).high)
    const byTime = await admin.fetchTopicOffsetsByTimestamp(topic, 1500)
    report.at_1500 = Number(byTime.find(({ partition }) => partition === 0).offset)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
    report.earliest_after_delete = Number((await offsets()).low)

    await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '3' }] })
    const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    report.committed = Number(committed.partitions.find(({ partition }) => partition === 0).offset)
    const { groups } = await admin.describeGroups([group])
    report.group_state = groups[0].state
    const listed = async () => (await admin.listGroups()).groups.some(({ groupId }) => groupId === group)
    report.group_listed = await listed()
    await admin.deleteGroups([group])
    report.group_listed_after_delete = await listed()

    await admin.deleteTopics({ topics: [topic] })
    const exists = async () => (await admin.listTopics()).includes(topic)
    await waitFor('the deletion', async () => !(await exists()))
    report.topic_listed_after_delete = await exists()
    return report
  })
}

const scenarios = { codecs: runCodecs, group: runGroup, transactions: runTransactions, admin: runAdmin }

async function main() {
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  const script = JSON.parse(Buffer.concat(chunks).toString())
  const report = await scenarios[scenario](script)
  console.log(JSON.stringify(report))
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
