<?php
// Publishes to a user over HTTP, with nothing but PHP: php publish.php USER ORDER

[, $user, $order] = $argv;
$gateway = getenv('GATEWAY_URL') ?: 'http://127.0.0.1:8081';
$message = [
    'to' => "user:$user",
    'event' => 'order_ready',
    'data' => ['order_id' => (int) $order, 'from' => 'php over http'],
];
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [
        'Authorization: Bearer ' . getenv('GATEWAY_KEY'),
        'Content-Type: application/json',
    ],
    'content' => json_encode($message),
    'timeout' => 5,
    // The body of an error says what is wrong.
    'ignore_errors' => true,
]]);
$answer = file_get_contents("$gateway/api/publish", false, $context);
// 503 means that the gateway is busy: repeat it, with an id.
if ($answer === false || !str_contains($http_response_header[0], ' 200 ')) {
    fwrite(STDERR, ($http_response_header[0] ?? 'no answer') . "\n$answer\n");
    exit(1);
}
echo "$answer\n";
