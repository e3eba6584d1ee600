package main

import (
	"sync"
	"time"
)

// fanOut leaves one request waiting on every connection and sends, on the last one, what answers all of them.
//
// A latency is the time from the trigger until the last of the connections has its response: one for each round. Each
// connection asks again at once when it is answered, as a consumer does.
func fanOut(plan *Plan, connections []*Connection) *Figures {
	waiting, triggering := connections[:plan.Connections], connections[plan.Connections]
	deal(plan, waiting)
	trigger := readFrames(plan.Trigger)[0]
	pause := time.Duration(plan.PauseMs) * time.Millisecond
	figures := &Figures{}
	var lock sync.Mutex
	var round sync.WaitGroup
	var end sync.WaitGroup
	round.Add(len(waiting))
	for _, connection := range waiting {
		end.Add(1)
		go func(connection *Connection) {
			defer end.Done()
			connection.send(connection.nextFrame(plan.Counters))
			for number := 0; number < plan.Rounds; number++ {
				_, size, isError := connection.receive(plan)
				lock.Lock()
				figures.Requests++
				figures.BytesReceived += int64(size)
				if isError {
					figures.Errors++
				}
				lock.Unlock()
				if number < plan.Rounds-1 {
					connection.send(connection.nextFrame(plan.Counters))
				}
				round.Done()
			}
		}(connection)
	}
	began := time.Now()
	var latencies []time.Duration
	for number := 0; number < plan.Rounds; number++ {
		time.Sleep(pause)
		sent := time.Now()
		triggering.send(trigger)
		if _, _, isError := triggering.receive(&Plan{}); isError {
			figures.Errors++
		}
		round.Wait()
		latencies = append(latencies, time.Since(sent))
		round.Add(len(waiting))
	}
	round.Add(-len(waiting))
	end.Wait()
	figures.Seconds = time.Since(began).Seconds()
	figures.setLatencies(latencies)
	return figures
}
