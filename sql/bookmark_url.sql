-- Keys of URLs.  The rules are tested in test/unit/url_key_test.c; here is what SQL adds.
SELECT url, vecmark.url_key(url) FROM unnest(ARRAY['http://Example.COM:80/%7ejoe/./a/../b/?b=1&utm_source=z&a=2#frag', 'https://app.example/#/route',
	'https://app.example/#!route', 'example.com/a', ' mailto:A@b.example ', 'https://bücher.example/ä?ö', 'http://[::1]:8080/']) AS url;
SELECT vecmark.url_hash('http://a.example/?fbclid=1') = vecmark.url_hash('HTTP://A.example') AS same, vecmark.url_hash('http://a.example') = vecmark.url_hash('https://a.example') AS schemes;
-- fixed for ever: other nodes and dumps have them
SELECT vecmark.url_rules(), vecmark.url_hash('https://example.com/'), vecmark.url_digest('https://example.com'), vecmark_internal.url_id('https://example.com'), vecmark_internal.url_id('https://example.com', 1);
SELECT key, vecmark_internal.url_host(key) FROM unnest(ARRAY['https://user@www.example.com:8443/x', 'http://[::1]:8080', 'mailto:a@b.example', 'file:///etc/passwd']) AS key;
SELECT vecmark_internal.url_problem('http://a.example') IS NULL AS fine, vecmark_internal.url_problem(E' \t '), vecmark_internal.url_problem(repeat('x', 100000));
-- texts of other encodings give the same key
SELECT vecmark.url_key(convert_from('\xe4', 'LATIN1')) = vecmark.url_key('ä');
