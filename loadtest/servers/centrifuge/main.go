// Centrifuge, the library: what is published to a channel goes to its subscribers, and calls are answered with what they
// carry. With REDIS_PORT it is one of several nodes.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/centrifugal/centrifuge"
)

func main() {
	node, err := centrifuge.New(centrifuge.DefaultConfig)
	check(err)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{}, nil)
		})
		client.OnPublish(func(event centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			// Published here, it does not carry who has published it.
			result, err := node.Publish(event.Channel, event.Data)
			done(centrifuge.PublishReply{Result: &result}, err)
		})
		client.OnRPC(func(event centrifuge.RPCEvent, done centrifuge.RPCCallback) {
			done(centrifuge.RPCReply{Data: event.Data}, nil)
		})
	})
	if port := os.Getenv("REDIS_PORT"); port != "" {
		shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: "127.0.0.1:" + port})
		check(err)
		config := centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}}
		broker, err := centrifuge.NewRedisBroker(node, config)
		check(err)
		node.SetBroker(broker)
	}
	check(node.Run())
	handler := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize:     512,
		UseWriteBufferPool: true,
		CheckOrigin:        func(*http.Request) bool { return true },
	})
	http.Handle("/connection/websocket", handler)
	check(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
