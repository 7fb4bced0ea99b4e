<?php
// Plays a room of the live dialect: php live.php HOST:PORT KEY PROFILE
// A client as applications of the original system write it, on PHP's own sockets and its own cipher.

[, $address, $key, $profile] = $argv;

const RECEIPT = ['status' => 200, 'event' => 'receiveMessage', 'info' => '服务端已收到您的请求内容'];

function fail(string $what): never
{
    fwrite(STDERR, "$what\n");
    exit(1);
}

function expect(string $what, $found, $expected): void
{
    if ($found !== $expected) {
        fail("$what: " . json_encode($found, JSON_UNESCAPED_UNICODE) . ', expected '
            . json_encode($expected, JSON_UNESCAPED_UNICODE));
    }
}

/** Seals an auth as the original's Encrypt::des does. */
function auth(array $user, string $key): string
{
    $text = json_encode($user, JSON_UNESCAPED_UNICODE);
    $sealed = openssl_encrypt($text, 'des-ede3', str_pad($key, 24, '0'), OPENSSL_RAW_DATA);
    return strtr(base64_encode($sealed), ['+' => '*', '/' => ':', '=' => '_']);
}

class Client
{
    private $stream;

    public function __construct(string $address, string $auth, int $status = 101)
    {
        $this->stream = stream_socket_client("tcp://$address", $code, $text, 10)
            ?: fail("no connection: $text");
        stream_set_timeout($this->stream, 20);
        $key = base64_encode(random_bytes(16));
        fwrite($this->stream, "GET /live?auth=$auth HTTP/1.1\r\nHost: $address\r\nUpgrade: websocket\r\n"
            . "Connection: Upgrade\r\nSec-WebSocket-Key: $key\r\nSec-WebSocket-Version: 13\r\n\r\n");
        $head = '';
        while (($line = fgets($this->stream)) !== false && trim($line) !== '') {
            $head .= $line;
        }
        expect('the status', (int) explode(' ', $head)[1], $status);
        if ($status === 403) {
            expect('the header', preg_match('/^message: error auth\r$/mi', $head), 1);
            return;
        }
        $accept = base64_encode(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
        expect('the accept', preg_match("/^sec-websocket-accept: (.*)\r$/mi", $head, $found), 1);
        expect('the accept', $found[1], $accept);
    }

    public function push(string $text): void
    {
        $length = strlen($text);
        $head = $length < 126 ? pack('CC', 0x81, 0x80 | $length) : pack('CCn', 0x81, 0x80 | 126, $length);
        $mask = random_bytes(4);
        fwrite($this->stream, $head . $mask . ($text ^ str_repeat($mask, intdiv($length, 4) + 1)));
    }

    public function text(): string
    {
        $head = unpack('Cfirst/Clength', $this->read(2));
        expect('a text frame', $head['first'], 0x81);
        $length = $head['length'];
        if ($length === 126) {
            $length = unpack('n', $this->read(2))[1];
        }
        return $this->read($length);
    }

    /** What the next frame says; it has to be of this event. */
    public function told(string $event): array
    {
        $frame = json_decode($this->text(), true) ?? fail("no JSON before $event");
        expect('the event', $frame['event'], $event);
        return $frame;
    }

    /** Calls a method, whose receipt has to come. */
    public function call(string $method, array $more = []): void
    {
        $this->push(json_encode(['method' => $method] + $more));
        expect('the receipt', json_decode($this->text(), true), RECEIPT);
    }

    public function leave(): void
    {
        fclose($this->stream);
    }

    private function read(int $length): string
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $more = fread($this->stream, $length - strlen($bytes));
            if ($more === false || $more === '') {
                fail('the connection has ended');
            }
            $bytes .= $more;
        }
        return $bytes;
    }
}

$person = fn($id, $type, $nickname) => auth([
    'id' => $id, 'type' => $type, 'code' => 'room1', 'nickname' => $nickname, 'ctime' => time(),
], $key);

new Client($address, 'nothing', 403);
new Client($address, auth(['id' => 1, 'type' => 'wall', 'ctime' => time() - 700000], $key), 403);

$wall = new Client($address, $person('9', 'wall', 'wall-1'));
$wall->push('2');
expect('the heartbeat', $wall->text(), '3');
$wall->call('live.wall.join');
$joined = $wall->told('wallJoinSuccess');
expect('the param', array_key_exists('param', $joined), $profile === 'documented');

$user = new Client($address, $person(1, 'wechatUser', '张三'));
$user->call('index.index.index', ['name' => 'hello']);
$user->told('success');
$user->call('Live.User.Join');
$user->told('userJoinSuccess');
$come = $wall->told('userJoin')['param'];
expect('who has come', [$come['id'], $come['nickname']], [1, '张三']);

$user->call('live.user.say', ['say' => '你好 <b>']);
$id = $user->told('userSaySuccess')['param'];
$draft = $wall->told('userSayNeedCheck')['param'];
expect('what waits', $draft, ['id' => $id, 'nickname' => '张三', 'say' => '你好 &lt;b&gt;']);
$wall->call('live.wall.check', ['id' => $id, 'status' => 1]);
expect('what is checked', $wall->told('wallCheckSuccess')['param'], $id);
expect('what is told', $user->told('userSayBroadcast')['param'], $draft);

$wall->call('live.wall.say', ['say' => 'welcome']);
$wall->told('wallSaySuccess');
$said = $user->told('wallSayBroadcast')['param'];
expect('what the wall says', [$said['say'], $said['user_id'], $said['code']], ['welcome', '9', 'room1']);
$user->call('live.user.history');
$list = $user->told('wallSayHistory')['param']['list'];
expect('the history', [$list[0]['id'], count($list)], [$said['id'], 1]);
$wall->call('live.wall.recall', ['id' => $said['id']]);
$wall->told('wallRecallSuccess');
expect('what is recalled', $user->told('wallSayRecall')['param'], $said['id']);

$user->leave();
expect('who has gone', $wall->told('userOut')['param'], $come);
