<?php
// Pushes to a user through Redis, without an extension: php push.php USER ORDER

/** What Redis answers to a command in one line. */
function ask($redis, string ...$words): string
{
    $text = '*' . count($words) . "\r\n";
    foreach ($words as $word) {
        $text .= '$' . strlen($word) . "\r\n$word\r\n";
    }
    fwrite($redis, $text);
    $answer = fgets($redis);
    if ($answer === false || $answer[0] === '-') {
        throw new RuntimeException($answer === false ? 'no answer' : trim($answer));
    }
    // The length of a text, and the text in the next line.
    return trim($answer[0] === '$' ? fgets($redis) : substr($answer, 1));
}

[, $user, $order] = $argv;
$url = parse_url(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379');
$redis = stream_socket_client("tcp://{$url['host']}:{$url['port']}", $number, $error, 5);
if ($redis === false) {
    throw new RuntimeException($error);
}
stream_set_timeout($redis, 5);
if (isset($url['pass'])) {
    ask($redis, 'AUTH', ($url['user'] ?? '') ?: 'default', $url['pass']);
}
$message = [
    // A repeat with the same id within ten minutes is not sent again.
    'id' => "order-$order-php",
    'to' => "user:$user",
    'event' => 'order_ready',
    'data' => ['order_id' => (int) $order, 'from' => 'php'],
];
ask($redis, 'XADD', 'tg:push', '*', 'message', json_encode($message));
