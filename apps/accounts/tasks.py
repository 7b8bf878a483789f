"""Mails the letters that wait."""

from celery import shared_task

from apps.accounts import services


@shared_task(name="accounts.mail_letters")
def mail_letters() -> None:
    services.mail_letters()
