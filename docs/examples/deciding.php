<?php
// Decides who comes in and who joins a room, with nothing but PHP: php -S 127.0.0.1:PORT deciding.php
//
// [backend.connect]
// url = "http://127.0.0.1:PORT/"
// secret_file = "/run/secrets/deciding"     # the same text as in SECRET
//
// [backend.subscribe]
// url = "http://127.0.0.1:PORT/"
// secret_file = "/run/secrets/deciding"

const BANNED = ['mallory'];
const MEMBERS = ['vip' => ['anna']];

// Whether the gateway has sent this, within the last five minutes.
function isGenuine(string $signature, string $body): bool
{
    if (!preg_match('/^t=(\d+),v1=([0-9a-f]{64})$/', $signature, $fields)) {
        return false;
    }
    [, $sent, $found] = $fields;
    $expect = hash_hmac('sha256', "$sent.$body", getenv('SECRET'));
    return abs(time() - (int) $sent) <= 300 && hash_equals($expect, $found);
}

function decide(array $question): array
{
    $user = $question['user'];
    switch ($question['event']) {
        case 'connect':
            if (in_array($user, BANNED, true)) {
                return ['allow' => false, 'reason' => 'this account is closed'];
            }
            return ['allow' => true, 'rooms' => ['lobby']];
        case 'subscribe':
            $members = MEMBERS[$question['room']] ?? [];
            return ['allow' => in_array($user, $members, true), 'reason' => 'members only'];
        default:
            return ['allow' => false];
    }
}

$body = file_get_contents('php://input');
header('Content-Type: application/json');
if (isGenuine($_SERVER['HTTP_X_TIDEGATE_SIGNATURE'] ?? '', $body)) {
    echo json_encode(decide(json_decode($body, true)));
} else {
    // Not 401, which would mean that the client is refused.
    http_response_code(400);
    echo '{}';
}
