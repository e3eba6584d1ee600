package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// closed keeps so many requests in flight on every connection: the next one is sent when one is answered, or, where the
// plan has a rate, when it is due and fewer are in flight.
func closed(plan *Plan, connections []*Connection) *Figures {
	deal(plan, connections)
	var left atomic.Int64
	left.Store(int64(plan.Requests))
	if plan.Requests == 0 {
		left.Store(1 << 62)
	}
	began := time.Now()
	end := began.Add(time.Duration(plan.Seconds * 1e9))
	var started atomic.Int64
	mayStart := func() bool {
		if plan.Rate > 0 {
			due := time.Duration(float64(started.Add(1)-1) / plan.Rate * 1e9)
			time.Sleep(time.Until(began.Add(due)))
		}
		return left.Add(-1) >= 0 && time.Now().Before(end)
	}
	figures := &Figures{}
	var latencies []time.Duration
	var lock sync.Mutex
	var group sync.WaitGroup
	for _, connection := range connections {
		group.Add(1)
		go func(connection *Connection) {
			defer group.Done()
			mine := &Figures{}
			var times []time.Duration
			if plan.InFlight == 1 {
				for mayStart() {
					sent := time.Now()
					connection.send(connection.nextFrame(plan.Counters))
					times = mine.note(plan, connection, sent, times)
				}
			} else {
				inFlight := make(chan time.Time, plan.InFlight-1) // one more is with the receiver
				go func() {
					defer close(inFlight)
					for mayStart() {
						frame := connection.nextFrame(plan.Counters)
						inFlight <- time.Now()
						connection.send(frame)
					}
				}()
				for sent := range inFlight {
					times = mine.note(plan, connection, sent, times)
				}
			}
			lock.Lock()
			defer lock.Unlock()
			figures.Requests += mine.Requests
			figures.Errors += mine.Errors
			figures.BytesReceived += mine.BytesReceived
			latencies = append(latencies, times...)
		}(connection)
	}
	group.Wait()
	figures.Seconds = time.Since(began).Seconds()
	figures.setLatencies(latencies)
	return figures
}

// note receives the response to what was sent then, and counts it.
func (figures *Figures) note(plan *Plan, connection *Connection, sent time.Time, times []time.Duration) []time.Duration {
	_, size, isError := connection.receive(plan)
	figures.Requests++
	figures.BytesReceived += int64(size)
	if isError {
		figures.Errors++
	}
	return append(times, time.Since(sent))
}
