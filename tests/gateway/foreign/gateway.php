<?php
// Makes every call of docs/examples/Gateway.php: php gateway.php CLASS PART FIRST SECOND OTHER
// PART is talk, then leave, then end: leaving and ending overtake what clients were sent just before.
// FIRST and SECOND are sessions of the user 42, OTHER is one of the user 7.

use Tidegate\Gateway;
use Tidegate\GatewayException;

[, $class, $part, $first, $second, $other] = $argv;
require $class;

$called = [];

/** Makes a call, and notes that it was made. */
function call(string $method, ...$arguments)
{
    global $called;
    $called[$method] = true;
    return Gateway::$method(...$arguments);
}

function expect(string $what, $found, $expected): void
{
    $sort = function ($value) use (&$sort) {
        if (is_array($value)) {
            $value = array_map($sort, $value);
            array_is_list($value) ? sort($value) : ksort($value);
        }
        return $value;
    };
    if ($sort($found) !== $sort($expected)) {
        fwrite(STDERR, "$what: " . json_encode($found) . ', expected ' . json_encode($expected) . "\n");
        exit(1);
    }
}

function refused(string $what, callable $call): void
{
    try {
        $call();
    } catch (GatewayException | LogicException $error) {
        return;
    }
    expect($what, 'done', 'refused');
}

$all = [$first, $second, $other];
$keyed = fn(array $ids) => array_combine($ids, $ids);

$leavers = ['leaveGroup', 'ungroup'];
if ($part === 'leave') {
    expect('leaveGroup', call('leaveGroup', $first, 'team/1'), true);
    expect('leaveGroup', call('leaveGroup', $first, 'team/1'), true);
    expect('ungroup', call('ungroup', 'second'), true);
    foreach (['team/1', 'second'] as $group) {
        Gateway::sendToGroup($group, ['type' => 'e', 'data' => 'left']);
    }
    expect('what was called', array_keys($called), $leavers);
    exit(0);
}
$enders = ['closeClient', 'closeCurrentClient', 'destoryClient', 'destoryCurrentClient'];
if ($part === 'end') {
    refused('closeCurrentClient', fn() => call('closeCurrentClient'));
    Gateway::$currentClient = $second;
    expect('closeCurrentClient', call('closeCurrentClient'), true);
    expect('destoryCurrentClient', call('destoryCurrentClient'), false);
    expect('closeClient', call('closeClient', $first, ['type' => 'e', 'data' => 'bye']), true);
    expect('destoryClient', [call('destoryClient', $other), call('destoryClient', $other)], [true, false]);
    expect('what was called', array_keys($called), $enders);
    Gateway::$key = 'wrong';
    refused('a wrong key', fn() => Gateway::getAllClientIdCount());
    exit(0);
}

// Who is there.
expect('isOnline', [call('isOnline', $first), call('isOnline', "{$first}ff")], [1, 0]);
expect('isUidOnline', [call('isUidOnline', 42), call('isUidOnline', 'nobody')], [1, 0]);
expect('getClientIdByUid', call('getClientIdByUid', 42), [$first, $second]);
expect('getUidByClientId', [call('getUidByClientId', $other), call('getUidByClientId', 'x')], ['7', null]);
expect('bindUid', [call('bindUid', $first, 42), call('bindUid', 'x', 42)], [true, false]);
refused('bindUid', fn() => call('bindUid', $first, 7));
refused('unbindUid', fn() => call('unbindUid', $first, 42));
expect('getAllClientIdCount', call('getAllClientIdCount'), 3);
expect('getAllClientCount', call('getAllClientCount'), 3);
expect('getAllClientIdList', call('getAllClientIdList'), $keyed($all));
expect('getAllUidList', call('getAllUidList'), ['42' => '42', '7' => '7']);
expect('getAllUidCount', call('getAllUidCount'), 2);

// Groups.
expect('joinGroup', call('joinGroup', $first, 'team/1'), true);
expect('joinGroup', call('joinGroup', $other, 'team/1'), true);
expect('joinGroup', call('joinGroup', $second, 'second'), true);
expect('joinGroup', call('joinGroup', "{$second}ff", 'second'), false);
// Other nodes hear of it at once, but not before this.
for ($look = 0; call('getClientIdCountByGroup', 'team/1') + Gateway::getClientIdCountByGroup('second') < 3; $look++) {
    expect('looks', $look < 1000, true);
    usleep(5000);
}
expect('getClientCountByGroup', call('getClientCountByGroup', 'team/1'), 2);
expect('getClientIdListByGroup', call('getClientIdListByGroup', 'team/1'), $keyed([$first, $other]));
expect('getUidListByGroup', call('getUidListByGroup', 'team/1'), ['42' => '42', '7' => '7']);
expect('getUidCountByGroup', call('getUidCountByGroup', 'team/1'), 2);
expect('getAllGroupIdList', call('getAllGroupIdList'), $keyed(['second', 'team/1']));
expect('getAllGroupUidList', call('getAllGroupUidList'), [
    'second' => ['42' => '42'], 'team/1' => ['42' => '42', '7' => '7'],
]);
expect('getAllGroupUidCount', call('getAllGroupUidCount'), ['second' => 1, 'team/1' => 2]);
expect('getAllGroupClientIdList', call('getAllGroupClientIdList'), [
    'second' => [$second => $second], 'team/1' => $keyed([$first, $other]),
]);
expect('getAllGroupClientIdCount', call('getAllGroupClientIdCount'), ['second' => 1, 'team/1' => 2]);

// What is kept with clients.
expect('getSession', [call('getSession', $first), call('getSession', 'x')], [[], null]);
expect('setSession', call('setSession', $first, ['lang' => 'en', 'cart' => ['a' => 1, 'b' => 2]]), true);
expect('updateSession', call('updateSession', $first, ['lang' => null, 'cart' => ['b' => 3]]), true);
$kept = ['cart' => ['a' => 1, 'b' => 3]];
expect('getSession', call('getSession', $first), $kept);
expect('setSession', [call('setSession', 'x', []), call('updateSession', 'x', [])], [false, false]);
$sessions = [$first => $kept, $other => []];
expect('getClientSessionsByGroup', call('getClientSessionsByGroup', 'team/1'), $sessions);
expect('getClientInfoByGroup', call('getClientInfoByGroup', 'team/1'), $sessions);
$sessions[$second] = [];
expect('getAllClientSessions', call('getAllClientSessions'), $sessions);
expect('getAllClientInfo', call('getAllClientInfo'), $sessions);

// Sending: what each client gets is looked at by whoever runs this.
$frame = fn(string $text) => json_encode(['type' => 'e', 'data' => $text, 'time' => 0]);
call('sendToAll', $frame('all'));
call('sendToAll', $frame('some'), [$first, $other]);
call('sendToAll', $frame('most'), null, [$first]);
expect('sendToClient', call('sendToClient', $first, $frame('client')), true);
expect('sendToClient', call('sendToClient', 'gw-9.1.1', $frame('nobody')), false);
call('sendToUid', 42, $frame('uid'));
call('sendToUid', [42, '7'], $frame('uids'));
call('sendToUid', 'nobody', $frame('nobody'));
call('sendToGroup', 'team/1', ['type' => 'e', 'data' => 'group']);
call('sendToGroup', ['team/1', 'second'], $frame('groups'), $other);
refused('sendToCurrentClient', fn() => call('sendToCurrentClient', $frame('nobody')));
Gateway::$currentClient = $second;
expect('sendToCurrentClient', call('sendToCurrentClient', $frame('current')), true);

expect('what was not called', array_values(array_diff(get_class_methods(Gateway::class), array_keys($called))), [...$leavers, ...$enders]);
