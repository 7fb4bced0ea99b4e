#!/bin/sh
# Pushes to a user through Redis, with redis-cli: sh push.sh USER ORDER

set -eu
user="$1"
order="$2"
# A repeat with the same id within ten minutes is not sent again.
redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379/0}" -e XADD tg:push '*' message \
    "{\"id\":\"order-$order-sh\",\"to\":\"user:$user\",\"event\":\"order_ready\",\"data\":{\"order_id\":$order,\"from\":\"sh\"}}"
