// Sends requests that somebody else has encoded to a broker, and times their responses.
//
// It knows nothing of Kafka but that a frame is an int32 size and so many bytes, and that the responses of a connection
// come in the order of its requests: what the bytes mean, and where in them a number has to grow, its plan says. So it
// costs little, and the figures are the broker's.
//
//	load_generator PLAN      a file of JSON, see the type Plan
//
// It opens its connections, prints {"open_seconds": ...} and waits for a line on its standard input; then it sends what
// the plan says and prints the figures as one line of JSON. Another line, and it does so again; the connections are open
// until the input ends. That leaves time to look at the broker in between.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Counter is a big-endian number in a frame that grows by one whenever the frame is sent.
type Counter struct {
	Position int `json:"position"` // from the start of the frame, its size included
	Size     int `json:"size"`     // in bytes
	Frame    int `json:"frame"`    // which of a connection's frames it is in
}

// Plan says what to send. Positions in responses are counted from the start of the frame, its size included.
type Plan struct {
	Mode        string    `json:"mode"` // closed, paced or fan_out
	Address     string    `json:"address"`
	Authority   string    `json:"authority"` // a file of certificates in PEM: the connections are TLS's, of who they sign
	Connections int       `json:"connections"`
	InFlight    int       `json:"in_flight"`
	Frames      string    `json:"frames"` // a file of frames; connection i of n sends i, i+n, i+2n, ... again and again
	Counters    []Counter `json:"counters"`
	Seconds     float64   `json:"seconds"`
	Requests    int       `json:"requests"`     // stop after so many as well, unless it is 0
	ZeroAt      []int     `json:"zero_at"`      // where int16s have to be zero for a response to be no error
	MinResponse int       `json:"min_response"` // what is shorter is an error

	Rate float64 `json:"rate"` // requests per second, all connections together

	// paced: the frames are sent at the rate, and a consumer reads what they produce.
	OffsetAt        int    `json:"offset_at"`         // the base offset in a response
	Fetch           string `json:"fetch"`             // a file with the consumer's frame
	FetchOffsetAt   int    `json:"fetch_offset_at"`   // the int64 in it that says from where to read
	FetchRecordsAt  int    `json:"fetch_records_at"`  // where its response has the size of the batches, a varint
	FetchNextOffset int64  `json:"fetch_next_offset"` // where to begin

	// fan_out: every connection has its frame waiting; when this one is sent, all are answered.
	Trigger string `json:"trigger"` // a file with that frame
	Rounds  int    `json:"rounds"`
	PauseMs int    `json:"pause_ms"` // between rounds, so that all wait again
}

// Figures are what a run prints.
type Figures struct {
	Requests         int     `json:"requests"`
	Errors           int     `json:"errors"`
	Seconds          float64 `json:"seconds"`
	BytesReceived    int64   `json:"bytes_received"`
	P50Ms            float64 `json:"p50_ms"`
	P99Ms            float64 `json:"p99_ms"`
	P999Ms           float64 `json:"p999_ms"`
	MaxMs            float64 `json:"max_ms"`
	GeneratorSeconds float64 `json:"generator_cpu_seconds"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load_generator:", err)
		os.Exit(1)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// open makes the connections, some at a time.
func open(plan *Plan, count int) []*Connection {
	connections := make([]*Connection, count)
	var group sync.WaitGroup
	next := make(chan int)
	for worker := 0; worker < 32; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := range next {
				raw, err := net.DialTimeout("tcp", plan.Address, 60*time.Second)
				check(err)
				if plan.Authority != "" {
					raw = shakeHands(raw, plan.Authority)
				}
				connections[number] = newConnection(raw, count)
			}
		}()
	}
	for number := range connections {
		next <- number
	}
	close(next)
	group.Wait()
	return connections
}

// shakeHands puts TLS upon a connection.
func shakeHands(raw net.Conn, authority string) net.Conn {
	certificates, err := os.ReadFile(authority)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificates)
	connection := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "localhost"})
	check(connection.Handshake())
	return connection
}

func main() {
	if len(os.Args) != 2 {
		check(fmt.Errorf("usage: load_generator PLAN"))
	}
	text, err := os.ReadFile(os.Args[1])
	check(err)
	plan := &Plan{}
	check(json.Unmarshal(text, plan))

	extra := map[string]int{"paced": 1, "fan_out": 1}[plan.Mode] // the consumer; who sends the trigger
	began := time.Now()
	connections := open(plan, plan.Connections+extra)
	out := json.NewEncoder(os.Stdout)
	check(out.Encode(map[string]float64{"open_seconds": time.Since(began).Seconds()}))

	run := map[string]func(*Plan, []*Connection) *Figures{"closed": closed, "paced": paced, "fan_out": fanOut}[plan.Mode]
	if run == nil {
		check(fmt.Errorf("no such mode: %q", plan.Mode))
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		cpu := cpuSeconds()
		figures := run(plan, connections)
		figures.GeneratorSeconds = cpuSeconds() - cpu
		check(out.Encode(figures))
	}
}
