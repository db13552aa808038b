package asynqredis

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// cancelChannel is the channel of the ids of tasks to cancel, published by an
// inspector.
const cancelChannel = "asynq:cancel"

// cancelations gives every asynq server of a process its own subscription to
// cancelChannel over a connection within the process, which never breaks. Watch has
// the only subscription at Redis.
type cancelations struct {
	client *redis.Client

	mu    sync.Mutex
	conns map[net.Conn]struct{} // our ends
}

func newCancelations() *cancelations {
	c := &cancelations{conns: make(map[net.Conn]struct{})}
	c.client = redis.NewClient(&redis.Options{
		Dialer: c.dial, Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return c
}

func (c *cancelations) dial(context.Context, string, string) (net.Conn, error) {
	theirs, ours := net.Pipe()
	c.mu.Lock()
	c.conns[ours] = struct{}{}
	c.mu.Unlock()
	go c.serve(ours)
	return theirs, nil
}

// serve answers the commands of a subscription, whose names are separate lines, until
// the other end is closed.
func (c *cancelations) serve(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		switch lines.Text() {
		case "hello":
			c.send(conn, "-ERR unknown command\r\n")
		case "subscribe":
			c.send(conn, "*3\r\n"+bulk("subscribe")+bulk(cancelChannel)+":1\r\n")
		case "ping":
			c.send(conn, "*2\r\n"+bulk("pong")+bulk(""))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
}

// publish passes the id of a task to all servers.
func (c *cancelations) publish(task string) {
	c.mu.Lock()
	conns := make([]net.Conn, 0, len(c.conns))
	for conn := range c.conns {
		conns = append(conns, conn)
	}
	c.mu.Unlock()
	for _, conn := range conns {
		c.send(conn, "*3\r\n"+bulk("message")+bulk(cancelChannel)+bulk(task))
	}
}

// sendWithin bounds the time for a subscription that is not read.
const sendWithin = time.Second

func (c *cancelations) send(conn net.Conn, reply string) {
	_ = conn.SetWriteDeadline(time.Now().Add(sendWithin))
	if _, err := conn.Write([]byte(reply)); err != nil {
		_ = conn.Close() // the other end connects again
	}
}

// bulk encodes a text as a bulk string of Redis' protocol.
func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// Subscribe implements redis.UniversalClient. An asynq server subscribes only to
// cancelChannel.
func (c *server) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return c.all.cancelations.client.Subscribe(ctx, channels...)
}
