<?php
// Is told what happens: HOOK_SECRET=... HOOK_SEEN=<folder> php -S 127.0.0.1:<port> hook.php
//
// Prints each happening once. In an application, remembering an id and what follows from its happening
// belong into one transaction.

// Older requests may be ones that somebody has recorded.
const AGE_MAX = 300;

function is_genuine(string $header, string $body): bool
{
    $fields = [];
    foreach (explode(',', $header) as $field) {
        [$name, $value] = explode('=', $field, 2) + ['', ''];
        $fields[$name] = $value;
    }
    $time = $fields['t'] ?? '';
    if (!ctype_digit($time) || AGE_MAX < abs(time() - (int) $time)) {
        return false;
    }
    $expected = hash_hmac('sha256', "$time.$body", getenv('HOOK_SECRET'));
    // Takes as long whatever is wrong, so that nobody can guess a signature digit by digit.
    return hash_equals($expected, $fields['v1'] ?? '');
}

$body = file_get_contents('php://input');
if (!is_genuine($_SERVER['HTTP_X_TIDEGATE_SIGNATURE'] ?? '', $body)) {
    // The gateway tries again: the secrets may be about to be changed on both sides.
    http_response_code(401);
    return;
}
$happening = json_decode($body, true, 512, JSON_THROW_ON_ERROR);
// What comes again is taken again, and nothing follows from it. Here a file for each id, which only one
// can make; an application has a table with a unique column.
$mark = @fopen(getenv('HOOK_SEEN') . '/' . hash('sha256', $happening['id']), 'x');
if ($mark !== false) {
    $line = "{$happening['event']} {$happening['id']} {$happening['user']}\n";
    file_put_contents('php://stdout', $line);
}
http_response_code(204);
