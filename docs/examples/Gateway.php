<?php
// The calls of GatewayWorker's class Gateway, made over the HTTP API of Tidegate, with nothing but PHP 8:
//
//     use Tidegate\Gateway;           // in the place of GatewayWorker\Lib\Gateway or GatewayClient\Gateway
//     Gateway::$url = 'http://127.0.0.1:8081';
//     Gateway::$key = '...';          // an API key of the scope admin
//
// docs/PHP-GATEWAY.md says of each call what it does here, and what has no counterpart.

namespace Tidegate;

/** A call was not done: the code is the status of the answer, 0 if there was none. */
class GatewayException extends \RuntimeException
{
}

class Gateway
{
    /** There is nobody of that name, or can be nobody. */
    private const NOBODY = [404, 422];
    /** Where the HTTP API is; otherwise the environment variable GATEWAY_URL, or this machine. */
    public static ?string $url = null;
    /** The API key; otherwise the environment variable GATEWAY_KEY. */
    public static ?string $key = null;
    /** Seconds that a call may take. */
    public static float $timeout = 5;
    /** The client whose webhook is being handled: what `...CurrentClient` means. */
    public static ?string $currentClient = null;

    // === Sending

    public static function sendToAll($message, $client_id_array = null, $exclude_client_id = null, $raw = false): bool
    {
        $to = $client_id_array === null ? 'all' : self::topics('session', $client_id_array);
        self::publish($to, $message, $exclude_client_id);
        return true;
    }

    public static function sendToClient($client_id, $message, $raw = false): bool
    {
        return 0 < self::publish("session:$client_id", $message);
    }

    public static function sendToCurrentClient($message, $raw = false): bool
    {
        return self::sendToClient(self::current(), $message);
    }

    public static function sendToUid($uid, $message, $raw = false): bool
    {
        self::publish(self::topics('user', $uid), $message);
        return true;
    }

    public static function sendToGroup($group, $message, $exclude_client_id = null, $raw = false): bool
    {
        self::publish(self::topics('room', $group), $message, $exclude_client_id);
        return true;
    }

    // === Who is there

    public static function isOnline($client_id): int
    {
        return self::find($client_id) === null ? 0 : 1;
    }

    public static function isUidOnline($uid): int
    {
        $user = self::callFor('GET', '/api/users/' . rawurlencode($uid), null, self::NOBODY);
        return (int) ($user['online'] ?? 0);
    }

    public static function getClientIdByUid($uid): array
    {
        $user = self::call('GET', '/api/users/' . rawurlencode($uid));
        return array_column($user['sessions'], 'id');
    }

    public static function getUidByClientId($client_id): ?string
    {
        return self::find($client_id)['user'] ?? null;
    }

    public static function getAllClientSessions($group = ''): array
    {
        return array_column(self::sessions($group), 'data', 'id');
    }

    public static function getClientSessionsByGroup($group): array
    {
        return self::getAllClientSessions($group);
    }

    /** @deprecated the old name of getAllClientSessions */
    public static function getAllClientInfo($group = ''): array
    {
        return self::getAllClientSessions($group);
    }

    /** @deprecated the old name of getClientSessionsByGroup */
    public static function getClientInfoByGroup($group): array
    {
        return self::getAllClientSessions($group);
    }

    public static function getAllClientIdList(): array
    {
        return self::keyed(array_column(self::sessions(), 'id'));
    }

    public static function getClientIdListByGroup($group): array
    {
        return self::keyed(array_column(self::sessions($group), 'id'));
    }

    public static function getAllClientIdCount(): int
    {
        return self::call('GET', '/api/topics/all')['subscribers'];
    }

    public static function getClientIdCountByGroup($group = ''): int
    {
        return $group === '' ? self::getAllClientIdCount() : self::call('GET', self::room($group))['count'];
    }

    /** @deprecated the old name of getAllClientIdCount */
    public static function getAllClientCount(): int
    {
        return self::getAllClientIdCount();
    }

    /** @deprecated the old name of getClientIdCountByGroup */
    public static function getClientCountByGroup($group = ''): int
    {
        return self::getClientIdCountByGroup($group);
    }

    public static function getAllUidList(): array
    {
        return self::users(self::sessions());
    }

    public static function getUidListByGroup($group): array
    {
        return self::users(self::sessions($group));
    }

    public static function getAllUidCount(): int
    {
        return count(self::getAllUidList());
    }

    public static function getUidCountByGroup($group): int
    {
        return count(self::getUidListByGroup($group));
    }

    public static function getAllGroupIdList(): array
    {
        return self::keyed(self::pages('/api/rooms', [], 'rooms'));
    }

    public static function getAllGroupUidList(): array
    {
        return array_map([self::class, 'users'], self::byGroup());
    }

    public static function getAllGroupUidCount(): array
    {
        return array_map('count', self::getAllGroupUidList());
    }

    public static function getAllGroupClientIdList(): array
    {
        $ids = fn(array $sessions): array => self::keyed(array_column($sessions, 'id'));
        return array_map($ids, self::byGroup());
    }

    public static function getAllGroupClientIdCount(): array
    {
        return array_map('count', self::byGroup());
    }

    // === Ending

    public static function closeClient($client_id, $message = null): bool
    {
        if (!self::isOnline($client_id)) {
            return false;
        }
        if ($message !== null) {
            self::sendToClient($client_id, $message);
        }
        return self::callFor('DELETE', '/api/sessions/' . rawurlencode($client_id)) !== null;
    }

    public static function closeCurrentClient($message = null): bool
    {
        return self::closeClient(self::current(), $message);
    }

    public static function destoryClient($client_id): bool
    {
        return self::closeClient($client_id);
    }

    public static function destoryCurrentClient(): bool
    {
        return self::closeClient(self::current());
    }

    // === Users and groups

    /**
     * A client has shown who it is when it logged in, and stays that user. So this is only for what is so
     * anyway: for any other user it throws.
     */
    public static function bindUid($client_id, $uid): bool
    {
        $session = self::find($client_id);
        if ($session === null) {
            return false;
        }
        if (($session['user'] ?? null) !== (string) $uid) {
            throw new GatewayException('a client is the user of its own login', 409);
        }
        return true;
    }

    /** A client cannot be nobody again: close it, or take it out of groups. */
    public static function unbindUid($client_id, $uid): bool
    {
        throw new GatewayException('a client is the user of its own login', 409);
    }

    public static function joinGroup($client_id, $group): bool
    {
        $joined = self::callFor('POST', self::room($group) . '/members', ['session' => (string) $client_id]);
        return 0 < ($joined['sessions'] ?? 0);
    }

    public static function leaveGroup($client_id, $group): bool
    {
        self::callFor('DELETE', self::room($group) . '/sessions/' . rawurlencode($client_id));
        return true;
    }

    public static function ungroup($group): bool
    {
        self::call('DELETE', self::room($group));
        return true;
    }

    // === What is kept with a client

    /** Null if there is no such client. */
    public static function getSession($client_id): ?array
    {
        return self::callFor('GET', self::data($client_id));
    }

    public static function setSession($client_id, array $session): bool
    {
        return self::callFor('PUT', self::data($client_id), (object) $session) !== null;
    }

    /** Arrays with names are merged, null removes, and lists are replaced. */
    public static function updateSession($client_id, array $session): bool
    {
        return self::callFor('PATCH', self::data($client_id), (object) $session) !== null;
    }

    // === How it is done

    private static function current(): string
    {
        if (self::$currentClient === null) {
            throw new \LogicException('there is no current client: set Gateway::$currentClient to the session of the webhook');
        }
        return self::$currentClient;
    }

    /** Publishes, and says how many nodes have clients that it is on its way to. */
    private static function publish($to, $message, $exclude = null): int
    {
        if ($to === []) {
            return 0;
        }
        // What clients of these applications are sent: {"type":.., "data":.., "time":..}, as text or not.
        $value = is_string($message) ? self::decoded($message) : $message;
        $frame = is_object($value) ? get_object_vars($value) : $value;
        // The gateway fills in a time of its own. With anything else beside these it is no such frame.
        $is_frame = is_array($frame) && is_string($frame['type'] ?? null) && array_key_exists('data', $frame)
            && array_diff(array_keys($frame), ['type', 'data', 'time']) === [];
        $request = ['to' => $to, 'data' => $is_frame ? $frame['data'] : $value];
        if ($is_frame) {
            $request['event'] = $frame['type'];
        }
        if ($exclude !== null && $exclude !== []) {
            $request['except'] = self::topics('session', $exclude);
        }
        return self::call('POST', '/api/publish', $request)['delivered_nodes'];
    }

    /** What a text says if it is an object or a list, in which {} stays {}; otherwise the text itself. */
    private static function decoded(string $text)
    {
        $value = json_decode($text);
        return is_object($value) || is_array($value) ? $value : $text;
    }

    private static function topics(string $kind, $ids): array
    {
        return array_map(fn($id) => "$kind:$id", array_values((array) $ids));
    }

    private static function room($group): string
    {
        return '/api/rooms/' . rawurlencode($group);
    }

    private static function data($client_id): string
    {
        return '/api/sessions/' . rawurlencode($client_id) . '/data';
    }

    private static function find($client_id): ?array
    {
        return self::callFor('GET', '/api/sessions/' . rawurlencode($client_id), null, self::NOBODY);
    }

    private static function sessions($group = ''): array
    {
        return self::pages('/api/sessions', $group === '' ? [] : ['topic' => "room:$group"], 'sessions');
    }

    /** All sessions that are in groups, by group. */
    private static function byGroup(): array
    {
        $groups = [];
        foreach (self::sessions() as $session) {
            foreach ($session['rooms'] as $room) {
                $groups[$room][] = $session;
            }
        }
        return $groups;
    }

    private static function users(array $sessions): array
    {
        return self::keyed(array_column($sessions, 'user'));
    }

    private static function keyed(array $ids): array
    {
        return array_combine($ids, $ids);
    }

    /** Everything that stands under $name on all pages. */
    private static function pages(string $path, array $query, string $name): array
    {
        $all = [];
        do {
            $page = self::call('GET', $path . '?' . http_build_query($query));
            array_push($all, ...$page[$name]);
            $query['cursor'] = $page['next'];
        } while ($page['next'] !== null);
        return $all;
    }

    /** The answer to a call about something that may be gone: null if it is. */
    private static function callFor(string $method, string $path, $body = null, array $gone = [404]): ?array
    {
        try {
            return self::call($method, $path, $body);
        } catch (GatewayException $error) {
            if (!in_array($error->getCode(), $gone, true)) {
                throw $error;
            }
            return null;
        }
    }

    private static function call(string $method, string $path, $body = null): array
    {
        $url = self::$url ?? (getenv('GATEWAY_URL') ?: 'http://127.0.0.1:8081');
        $key = self::$key ?? getenv('GATEWAY_KEY');
        $context = stream_context_create(['http' => [
            'method' => $method,
            'header' => ["Authorization: Bearer $key", 'Content-Type: application/json', 'Connection: close'],
            'content' => $body === null ? '' : json_encode($body, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION),
            'protocol_version' => 1.1,
            'timeout' => self::$timeout,
            // The body of an error says what is wrong.
            'ignore_errors' => true,
        ]]);
        $answer = @file_get_contents($url . $path, false, $context);
        if ($answer === false) {
            throw new GatewayException("$method $path: no answer");
        }
        $status = (int) explode(' ', $http_response_header[0])[1];
        $value = json_decode($answer, true);
        if ($status !== 200) {
            // 429 and 503 may be tried again later.
            throw new GatewayException("$method $path: " . ($value['detail'] ?? $answer), $status);
        }
        return $value;
    }
}
