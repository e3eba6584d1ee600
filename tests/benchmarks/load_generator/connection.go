package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sort"
	"time"
)

// Connection sends frames and reads the frames that come back.
type Connection struct {
	raw    net.Conn
	reader *bufio.Reader
	frames [][]byte // its own copies: counters grow in them
	next   int
}

func newConnection(raw net.Conn, of int) *Connection {
	size := 64 << 10
	if of > 100 {
		size = 4 << 10
	}
	return &Connection{raw: raw, reader: bufio.NewReaderSize(raw, size)}
}

func readFrames(path string) [][]byte {
	bytes, err := os.ReadFile(path)
	check(err)
	var frames [][]byte
	for len(bytes) > 0 {
		end := 4 + int(binary.BigEndian.Uint32(bytes))
		frames = append(frames, bytes[:end])
		bytes = bytes[end:]
	}
	return frames
}

// deal gives every connection that has none its frames; those without counters are shared.
func deal(plan *Plan, connections []*Connection) {
	if connections[0].frames != nil {
		return
	}
	frames := readFrames(plan.Frames)
	for number, connection := range connections {
		for at := number % len(frames); at < len(frames); at += len(connections) {
			frame := frames[at]
			if len(plan.Counters) > 0 {
				frame = append([]byte(nil), frame...)
			}
			connection.frames = append(connection.frames, frame)
		}
	}
}

// nextFrame is the frame to send, with its counters as they have to be.
func (connection *Connection) nextFrame(counters []Counter) []byte {
	number := connection.next
	connection.next = (number + 1) % len(connection.frames)
	frame := connection.frames[number]
	for _, counter := range counters {
		if counter.Frame != number {
			continue
		}
		for at := counter.Position + counter.Size - 1; ; at-- {
			frame[at]++
			if frame[at] != 0 || at == counter.Position {
				break
			}
		}
	}
	return frame
}

func (connection *Connection) send(frame []byte) {
	_, err := connection.raw.Write(frame)
	check(err)
}

// receive reads a response; head holds its beginning, whose numbers may be looked at until the next call.
func (connection *Connection) receive(plan *Plan) (head []byte, size int, isError bool) {
	start, err := connection.reader.Peek(4)
	check(err)
	size = 4 + int(binary.BigEndian.Uint32(start))
	head, err = connection.reader.Peek(min(size, 256))
	check(err)
	isError = size < plan.MinResponse
	for _, at := range plan.ZeroAt {
		isError = isError || at+2 > len(head) || head[at] != 0 || head[at+1] != 0
	}
	_, err = connection.reader.Discard(size)
	check(err)
	return head, size, isError
}

// receiveWhole reads a response into a buffer and returns it, or a larger one.
func (connection *Connection) receiveWhole(buffer []byte) []byte {
	start, err := connection.reader.Peek(4)
	check(err)
	size := 4 + int(binary.BigEndian.Uint32(start))
	if cap(buffer) < size {
		buffer = make([]byte, size*2)
	}
	buffer = buffer[:size]
	_, err = io.ReadFull(connection.reader, buffer)
	check(err)
	return buffer
}

// setLatencies sorts them.
func (figures *Figures) setLatencies(latencies []time.Duration) {
	if len(latencies) == 0 {
		return
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	at := func(quantile float64) float64 {
		index := min(len(latencies)-1, int(quantile*float64(len(latencies))))
		return float64(latencies[index]) / 1e6
	}
	figures.P50Ms, figures.P99Ms, figures.P999Ms, figures.MaxMs = at(0.5), at(0.99), at(0.999), at(1)
}
