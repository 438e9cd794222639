"""aiosmtpd_server.py PORT TLS_PORT MAIL CERTIFICATE KEY [no-smtputf8]: an aiosmtpd with STARTTLS and AUTH that keeps mail byte for byte."""
import asyncio
import itertools
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

PASSWORDS = {b"user": b"secret"}


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=PASSWORDS.get(data.login) == data.password, handled=False, auth_data=data)


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        name = f"{self.folder}/{next(self.numbers):03}"
        with open(name + ".json", "w") as file:
            json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos, "helo": session.host_name,
                       "tls": session.ssl is not None, "user": session.auth_data and session.auth_data.login.decode()}, file)
        with open(name + ".part", "wb") as file:
            file.write(envelope.original_content)
        os.rename(name + ".part", name + ".eml")
        return f"250 2.0.0 OK queued as {name[-3:]}"


async def main():
    port, tls_port, folder, certificate, key, *without = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keeper = Keeper(folder)
    loop = asyncio.get_running_loop()
    common = dict(hostname="mx.test", auth_required=True, authenticator=authenticate,
                  enable_SMTPUTF8="no-smtputf8" not in without)
    await loop.create_server(lambda: SMTP(keeper, tls_context=context, require_starttls=True, **common),
                             "127.0.0.1", int(port))
    await loop.create_server(lambda: SMTP(keeper, auth_require_tls=False, **common),
                             "127.0.0.1", int(tls_port), ssl=context)
    await asyncio.Event().wait()


asyncio.run(main())
