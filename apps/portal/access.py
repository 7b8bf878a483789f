"""Who may open a page: signed in, a member of the account in the address, with a role that allows it."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django_ratelimit import ALL
from django_ratelimit.decorators import ratelimit

from apps.accounts import selectors
from apps.accounts.contracts import AccountRow, Permission
from apps.accounts.models import User
from apps.common.errors import Forbidden, Invalid, NotFound

P = ParamSpec("P")
POSTS_A_MINUTE = "60/m"


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User


class MemberRequest(PersonRequest):
    """A request for a page of an account, from one of its members."""

    account: AccountRow


Page = Callable[..., HttpResponseBase]
MemberView = Callable[Concatenate[MemberRequest, P], HttpResponseBase]


def limited(rate: str, *, key: str, method: str | tuple[None] = ALL) -> Callable[[Page], Page]:
    """At most so many requests, such as "60/m", for each user or address; more are answered with 429."""
    return cast(Callable[[Page], Page], ratelimit(key=key, rate=rate, method=method))


def person_page(view: Page) -> Page:
    """A private page: never cached, signed in only, its POSTs limited, services' errors as error pages."""

    @wraps(view)
    def page(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except (Forbidden, Invalid) as error:  # what is asked for is not to be had: it has expired, for one
            raise PermissionDenied(error.message) from error

    guarded = login_required(limited(POSTS_A_MINUTE, key="user", method="POST")(page))

    @wraps(view)
    def entrance(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})  # the page itself goes to sign in
        return guarded(request, *args, **kwargs)

    return never_cache(entrance)


def member_page(permission: Permission = Permission.VIEW) -> Callable[[MemberView[P]], Page]:
    """A page under /a/<slug>/: 404 for anybody who is not a member, 403 for a role that may not."""

    def decorate(view: MemberView[P]) -> Page:
        def page(request: PersonRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            member = cast(MemberRequest, request)
            member.account = selectors.account_of_user(user_id=request.user.pk, slug=slug)
            if permission not in member.account.permissions:
                role = member.account.role
                raise PermissionDenied(f"The role {role} does not allow this. Ask an owner or an admin.")
            if request.session.get("account") != slug:
                request.session["account"] = slug
            return view(member, *args, **kwargs)

        return person_page(wraps(view)(page))

    return decorate
