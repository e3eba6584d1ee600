package main

import (
	"encoding/binary"
	"sync"
	"time"
)

// paced sends requests at a fixed rate, whatever the answers do, while the last connection consumes what they produce.
//
// A latency is the time from the moment when a record was due to be sent until the consumer has it, so that a broker
// that makes the producers late is not spared.
func paced(plan *Plan, connections []*Connection) *Figures {
	producers, consumer := connections[:plan.Connections], connections[plan.Connections]
	deal(plan, producers)
	count := int(plan.Rate * plan.Seconds)
	due := make([]time.Duration, count)     // by offset, from the first one
	arrived := make([]time.Duration, count) // likewise
	first := plan.FetchNextOffset
	figures := &Figures{Requests: count}
	began := time.Now().Add(50 * time.Millisecond)
	interval := time.Duration(1e9 / plan.Rate)

	var lock sync.Mutex
	var group sync.WaitGroup
	for number, producer := range producers {
		group.Add(1)
		dues := make(chan time.Duration, 1<<16)
		go func(number int, producer *Connection) {
			for at := number; at < count; at += len(producers) {
				when := time.Duration(at) * interval
				if wait := time.Until(began.Add(when)); wait > 0 {
					time.Sleep(wait)
				}
				dues <- when
				producer.send(producer.nextFrame(plan.Counters))
			}
			close(dues)
		}(number, producer)
		go func(producer *Connection) {
			defer group.Done()
			for when := range dues {
				head, _, isError := producer.receive(plan)
				if isError {
					lock.Lock()
					figures.Errors++
					lock.Unlock()
					continue
				}
				offset := int64(binary.BigEndian.Uint64(head[plan.OffsetAt:]))
				due[offset-first] = when
			}
		}(producer)
	}

	frame := readFrames(plan.Fetch)[0]
	var response []byte
	next := first
	for next < first+int64(count) && time.Since(began).Seconds() < plan.Seconds+30 {
		binary.BigEndian.PutUint64(frame[plan.FetchOffsetAt:], uint64(next))
		consumer.send(frame)
		response = consumer.receiveWhole(response)
		now := time.Since(began)
		figures.BytesReceived += int64(len(response))
		at := plan.FetchRecordsAt
		if at < len(response) {
			_, size := binary.Uvarint(response[at:])
			at += size
		}
		for at+61 <= len(response) {
			base := int64(binary.BigEndian.Uint64(response[at:]))
			end := at + 12 + int(binary.BigEndian.Uint32(response[at+8:]))
			if end > len(response) {
				break
			}
			last := base + int64(binary.BigEndian.Uint32(response[at+23:]))
			for offset := max(base, next); offset <= last; offset++ {
				arrived[offset-first] = now
			}
			next = max(next, last+1)
			at = end
		}
	}
	group.Wait()
	figures.Seconds = time.Since(began).Seconds()
	plan.FetchNextOffset = next
	latencies := make([]time.Duration, 0, count)
	for at, when := range arrived {
		if when > 0 {
			latencies = append(latencies, when-due[at])
		}
	}
	figures.Errors += count - len(latencies)
	figures.setLatencies(latencies)
	return figures
}
